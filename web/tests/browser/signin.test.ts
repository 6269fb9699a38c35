// The first screen, whatever wallets and servers say, and the wait for an administrator.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser.ts";
import { Nexus } from "./nexus.ts";
import { Provider } from "./provider.ts";

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const PASSPHRASE = "correct horse battery";
const NAME = "Grandma's kitchen helper";

let browser: Browser;
let provider: Provider;
let nexus: Nexus;

beforeAll(async () => {
  provider = await Provider.start();
  const change = (template: string): string => {
    const changed = template.replace(/^(\s*)app_name: .*$/m, `$1app_name: "${NAME}"`);
    expect(changed).toContain(NAME);
    return changed;
  };
  [nexus, browser] = await Promise.all([Nexus.start(provider.url, "approval", { change }), launch()]);
});

afterAll(async () => {
  await browser?.close();
  await nexus?.stop();
  provider?.stop();
});

/** Nothing that is needed to sign in is missing. */
async function expectWhole(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Make my key" }).waitFor();
  await page.getByRole("button", { name: "I have a key" }).waitFor();
  await page.getByRole("button", { name: "I have a token" }).waitFor();
}

test("P8: two wallets of one name are both offered, and told apart", async () => {
  const script = readFileSync(join(import.meta.dirname, "cases/wallets-same-name.js"), "utf8");
  const visit = await Visit.begin(browser, nexus.url, DESKTOP, (page) => page.addInitScript(script));
  const { page } = visit;
  await expectWhole(page);
  const offered = await page.getByRole("button", { name: /^Use MetaMask/ }).allInnerTexts();
  expect(offered.length).toBe(2);
  expect(new Set(offered).size).toBe(2);
  await visit.expectAccessible();
  await visit.picture("wallets-same-name");
  await page.getByRole("button", { name: /^Use MetaMask/ }).nth(1).click();
  await page.getByText("The wallet gave no address.").waitFor();
  await visit.end();
});

test("P8: hostile announcements never break the sign-in", async () => {
  const visit = await Visit.begin(browser, nexus.url, PHONE, (page) =>
    page.addInitScript(() => {
      const provider = (): object => ({ request: async () => [] });
      const again = provider();
      const trap = Object.defineProperty({}, "provider", {
        get(): never {
          throw new Error("trap");
        },
      });
      const details: unknown[] = [
        undefined,
        null,
        { info: null, provider: null },
        { info: { name: "x" }, provider: { request: 7 } },
        trap,
        { info: { name: "W".repeat(100_000), rdns: "r".repeat(100_000) }, provider: provider() },
        { info: { name: "\u202e<img src=x onerror=hacked=1>" }, provider: provider() },
        ...Array.from({ length: 500 }, () => ({ info: { name: "Same", uuid: "same", rdns: "same" }, provider: again })),
        ...Array.from({ length: 1000 }, (_, at) => ({ info: { name: at % 2 ? "Same" : `Wallet ${at}`, uuid: "same" }, provider: provider() })),
      ];
      addEventListener("eip6963:requestProvider", () => {
        for (const detail of details) dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
      });
    }),
  );
  const { page } = visit;
  await expectWhole(page);
  const offered = await page.getByRole("button", { name: /^Use / }).allInnerTexts();
  expect(offered.length).toBeGreaterThan(2);
  expect(offered.length).toBeLessThan(10);
  expect(new Set(offered).size).toBe(offered.length);
  expect(Math.max(...offered.map((one) => one.length))).toBeLessThan(90);
  expect(await page.locator("img").count()).toBe(0);
  await visit.expectNoSidewaysScrolling();
  await visit.expectAccessible();
  await visit.picture("wallets-hostile");
  await visit.end();
});

test("P9: the sign-in says what this installation calls itself", async () => {
  for (const [name, options] of [["phone", PHONE], ["dark", { ...DESKTOP, colorScheme: "dark" as const }]] as const) {
    const visit = await Visit.begin(browser, nexus.url, options);
    await visit.page.getByText(NAME).waitFor();
    await expect.poll(() => visit.page.title()).toBe(`Sign in · ${NAME}`);
    await visit.expectAccessible();
    await visit.expectNoSidewaysScrolling();
    await visit.picture(`app-name-${name}`);
    await visit.end();
  }
});

test.each([["desktop", DESKTOP], ["phone", PHONE]] as const)(
  "P10: who waits can copy the whole address that the administrator needs: %s",
  async (name, options) => {
    const visit = await Visit.begin(browser, nexus.url, options);
    const { page } = visit;
    const key = await visit.makeKey(PASSPHRASE, true);
    await page.getByRole("button", { name: "Register my key" }).click();
    await page.getByText("Send this address to the person who runs this server").waitFor();
    await visit.expectAccessible();
    await visit.expectNoSidewaysScrolling();
    await visit.picture(`waiting-${name}`);
    await page.getByRole("button", { name: "Copy my address" }).click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied.toLowerCase()).toBe(key.toLowerCase());
    await page.getByText(copied, { exact: true }).waitFor();
    await nexus.cli("identity", "approve", copied);
    await expect
      .poll(async () => {
        const again = page.getByRole("button", { name: "Look again" });
        if (await again.isVisible()) await again.click();
        return page.getByText("answers you").count();
      })
      .toBe(1);
    await visit.end();
  },
);

test("P5: what was typed goes with the key that is removed from this browser", async () => {
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  const address = await visit.makeKey(PASSPHRASE, true);
  await page.getByLabel("Your message").fill("For my eyes only");
  await page.getByRole("button", { name: "Sign out" }).click();
  const short = `${address.slice(0, 6)}…${address.slice(-4)}`;
  const texts = (): Promise<string> => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  expect(await texts()).toContain("For my eyes only");
  await page.getByRole("button", { name: `Remove ${short} from this browser` }).click();
  await page.getByText("did not send goes, too").waitFor();
  await page.getByRole("button", { name: `Really remove ${short}` }).click();
  await page.getByRole("button", { name: "Make my key" }).waitFor();
  expect(await texts()).not.toContain("For my eyes only");
  await visit.end();
});
