// Answers in a real browser: as they stream, as they are read again, and what one can do with them.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser.ts";
import { Nexus } from "./nexus.ts";
import { Provider } from "./provider.ts";

let browser: Browser;
let provider: Provider;
let nexus: Nexus;

beforeAll(async () => {
  provider = await Provider.start();
  [nexus, browser] = await Promise.all([Nexus.start(provider.url), launch()]);
});

afterAll(async () => {
  await browser?.close();
  await nexus?.stop();
  provider?.stop();
});

const ANSWER = `# A heading with user_id

The **kwargs** of \`f[i](x)\` are *args, **kwargs: set MAX_TOKENS in /etc/my_app/config_file.yml &amp; go.
A second line, see https://example.com/page. Or [the docs](docs/api.md).

1. Install:

   \`\`\`sh
   npm i my_package_name
   \`\`\`

2. Done
   - [x] one
   - [ ] two

| user_id | tokens |
|:--|--:|
| max_tokens_x | 4096 |

> Quoted ~~gone~~ text,
> on two lines.

\`\`\`markdown
# T
\`\`\`js
x
\`\`\`
more
\`\`\`

Euler: $e^{i\\pi}+1=0$, and \\(a_1 + b_2\\), for $5 and $6:

\\[
\\sum_{n=1}^{\\infty} \\frac{1}{n^2} = \\boxed{\\frac{\\pi^2}{6}}
\\]

**この文は太字（bold）。**この文のせい

مرحبا! هذه إجابة باللغة العربية.

- البند الأول (مهم)
- البند الثاني: \`code\`

| عمود | قيمة |
|---|---|
| أ | ب |
`;

const shown = (page: Page): Promise<string> => page.locator(".prose").last().evaluate((node) => node.innerHTML);

test("P4: an answer looks the same while it streams, when it has ended and after a reload", async () => {
  const { token } = await nexus.member();
  for (const colorScheme of ["light", "dark"] as const) {
    const visit = await Visit.begin(browser, nexus.url, { viewport: { width: 900, height: 1900 }, colorScheme });
    const { page } = visit;
    await visit.signIn(token);
    await page.getByLabel("Model for the next message").selectOption("local");
    await provider.says({ answer: ANSWER, holdAfter: 60 });
    await visit.ask("Show me everything.");
    await page.getByText("my_package_name").last().waitFor();
    await provider.goOn();
    await page.getByText("1,204 tokens in, 187 out").last().waitFor();
    await page.locator("math").nth(2).waitFor();
    const first = await shown(page);
    const text = await page.locator(".prose").last().innerText();
    for (const piece of ["user_id", "MAX_TOKENS", "*args, **kwargs", "f[i](x)", "& go", "docs/api.md", "max_tokens_x", "$5 and $6"]) {
      expect(text).toContain(piece);
    }
    expect(text).not.toMatch(/\\frac|\\\(|\$\$/);
    await visit.expectAccessible();
    await visit.expectNoSidewaysScrolling();
    await visit.picture(`answer-${colorScheme}`);
    await page.reload();
    await page.locator("math").nth(2).waitFor();
    expect(await shown(page)).toBe(first);
    await visit.end();
  }
});

test("P4: a thought between tags is folded, and is no part of what is copied", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url);
  const { page } = visit;
  await visit.signIn(token);
  await page.getByLabel("Model for the next message").selectOption("local");
  await provider.says({ answer: "<think>\nplan x_1\n</think>\n\nThe answer." });
  await visit.askAndWait("Think");
  await page.getByText("What it thought first").waitFor();
  expect(await page.getByText("plan x_1").isVisible()).toBe(false);
  expect(await page.locator(".prose").innerText()).toBe("The answer.");
  await page.getByRole("button", { name: "Copy this answer" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("The answer.");
  await visit.end();
});

test("P9: code is copied where browsers give a page no clipboard, as on plain http", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, {}, async (opened) => {
    await opened.addInitScript(() => {
      const real = navigator.clipboard;
      Object.assign(window, { real });
      Object.defineProperty(navigator, "clipboard", { value: undefined });
    });
  });
  const { page } = visit;
  await visit.signIn(token);
  await page.getByLabel("Model for the next message").selectOption("local");
  await provider.says({ answer: "```sh\nls -l  my_file\n```" });
  await visit.askAndWait("Code");
  const button = page.getByRole("button", { name: "Copy this code" });
  await button.click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const read = (): Promise<string> =>
    page.evaluate(() => (window as unknown as { real: Clipboard }).real.readText());
  expect(await read()).toBe("ls -l  my_file");

  // Where that fails too, the page says so.
  await page.evaluate(() => (document.execCommand = () => false));
  await page.getByRole("button", { name: "Copy this code" }).click();
  await page.getByRole("button", { name: "Not copied" }).waitFor();
  await visit.end();
});
