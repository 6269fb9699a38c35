// Takes the two pictures that the README shows.

import { expect, test } from "vitest";
import { launch, Visit } from "./browser.ts";
import { Nexus } from "./nexus.ts";
import { Provider } from "./provider.ts";

// A key whose colour and mark look well in print.
const KEY = "0x00c3a1f2b64d9e0718c5527e93ab40d6ef812c5b";

const ANSWER = `Gladly. The trick is to let the dough do the work while you sleep:

1. **Evening, 5 minutes.** Stir 400 g flour, 300 g water, 8 g salt and a pinch of yeast.
2. **Night.** Cover it and forget about it for 12 hours.
3. **Morning.** Fold it twice, rest it for 30 minutes, then bake it in a hot pot.

| Step | Oven | Time |
|---|---|---|
| Lid on | 240 °C | 25 min |
| Lid off | 220 °C | 15 min |

> Good bread is mostly patience, and very little work.
`;

test("pictures for the README", async () => {
  const provider = await Provider.start();
  const [nexus, browser] = await Promise.all([Nexus.start(provider.url), launch()]);
  try {
    const said = await nexus.cli("identity", "new", KEY);
    await nexus.cli("config", "set", KEY, "temperature", "0.5");
    await nexus.cli("config", "set", KEY, "model", "local");
    const persona = "You are Juniper: warm, brief and practical. You remember what people care about.";
    await nexus.cli("prompt", "set", KEY, "persona", persona);
    const visit = await Visit.begin(browser, nexus.url, { viewport: { width: 1280, height: 800 } });
    await visit.signIn(/nxd_\w+/.exec(said)![0]);
    await provider.says({ reasoning: "Bread without kneading: time replaces work.", answer: ANSWER });
    await visit.askAndWait("I would like to bake bread this weekend, but I hate kneading. Ideas?");
    await visit.picture("readme-chat");
    await visit.page.getByRole("button", { name: /My settings/ }).click();
    const card = visit.card("Temperature");
    await card.getByRole("button", { name: "Change" }).click();
    await card.getByLabel("Temperature", { exact: true }).fill("0.3");
    await visit.picture("readme-settings");
    await visit.end();
    expect(said).toContain("nxd_");
  } finally {
    await browser.close();
    await nexus.stop();
    provider.stop();
  }
});
