// Conversations as people really have them: several at once, long ones, on small screens.

import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser.ts";
import { Nexus, type Person } from "./nexus.ts";
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

async function enter(person: Person, options: BrowserContextOptions = {}): Promise<Visit> {
  const visit = await Visit.begin(browser, nexus.url, options);
  await visit.signIn(person.token);
  await visit.page.getByLabel("Model for the next message").selectOption("local");
  return visit;
}

/** Asks as another client of the same person. Gives the whole stream of events. */
async function askOutside({ token }: Person, content: string): Promise<string> {
  const response = await fetch(`${nexus.url}/api/v1/chat`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ content, config: { model: "local" } }),
  });
  return response.text();
}

/** Each turn: the question, then what was answered. */
function turns(page: Page): Promise<string[][]> {
  return page.getByRole("log").getByRole("article").evaluateAll((articles) =>
    articles.map((article) => {
      const question = article.querySelector(".question p")?.textContent ?? "";
      const answers = [...article.querySelectorAll(".prose")].map((part) => part.textContent!.trim());
      return [question, ...answers];
    }),
  );
}

test("P1: runs that overlap show every message once, in this tab, another tab and after a reload", async () => {
  const person = await nexus.member();
  const [first, second] = [await enter(person), await enter(person)];
  await provider.says({ answer: "alpha one", holdAfter: 1 });
  await first.ask("Question alpha");
  await first.page.getByText("alpha", { exact: true }).waitFor();
  // The second tab and an API client ask while the first answer is being written.
  const goOnAlpha = provider.later();
  await provider.says({ answer: "beta two", holdAfter: 1 });
  await second.ask("Question beta");
  await second.page.getByText("beta", { exact: true }).waitFor();
  const goOnBeta = provider.later();
  await provider.says({ answer: "gamma three" });
  expect(await askOutside(person, "Question gamma")).toContain("run_finished");
  await goOnBeta();
  await second.page.getByText("beta two").first().waitFor();
  await goOnAlpha();
  await first.page.getByText("alpha one").first().waitFor();

  const all = [
    ["Question alpha", "alpha one"],
    ["Question beta", "beta two"],
    ["Question gamma", "gamma three"],
  ];
  for (const visit of [first, second]) {
    await visit.page.reload();
    await expect.poll(() => turns(visit.page)).toEqual(all);
    await visit.expectAccessible();
    await visit.end();
  }
});

test("P1: to reload and ask, or to stop and ask again, in the middle of an answer loses and doubles nothing", async () => {
  const person = await nexus.member();
  const visit = await enter(person);
  const { page } = visit;
  await provider.says({ answer: "alpha one", holdAfter: 1 });
  await visit.ask("Question alpha");
  await page.getByText("alpha", { exact: true }).waitFor();
  const goOnAlpha = provider.later();
  await page.reload();
  await page.getByLabel("Model for the next message").selectOption("local");

  await provider.says({ answer: "beta two", holdAfter: 1 });
  await visit.ask("Question beta");
  await page.getByText("beta", { exact: true }).waitFor();
  const goOnBeta = provider.later();
  await page.getByRole("button", { name: "Stop" }).last().click();
  await page.getByRole("button", { name: "Send" }).waitFor();
  await goOnAlpha();

  await provider.says({ answer: "gamma three" });
  await visit.ask("Question gamma");
  await page.getByText("gamma three").first().waitFor();
  await goOnBeta();
  await expect
    .poll(async () => {
      await page.reload();
      await page.getByText("gamma three").first().waitFor();
      return (await turns(page)).map(([question, answer]) => [question, answer?.split(" ")[0]]);
    })
    .toEqual([
      ["Question alpha", "alpha"],
      ["Question beta", "beta"],
      ["Question gamma", "gamma"],
    ]);
  await visit.end();
});

const SIZES = [
  { name: "desktop", viewport: { width: 1280, height: 800 } },
  { name: "wide", viewport: { width: 1920, height: 500 } },
  { name: "tablet", viewport: { width: 768, height: 1024 }, hasTouch: true, isMobile: true },
  { name: "phone", viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  { name: "phone with a keyboard", viewport: { width: 360, height: 330 }, hasTouch: true, isMobile: true },
  { name: "phone on its side with a keyboard", viewport: { width: 640, height: 240 }, hasTouch: true, isMobile: true },
];

/** The document is never taller than the window, nothing has scrolled away, and one can write. */
async function expectToFit(page: Page, where: string): Promise<void> {
  const found = await page.evaluate(() => {
    // As a browser does that brings something hidden into view.
    window.scrollTo(0, 1_000_000);
    const { scrollHeight } = document.documentElement;
    const composer = document.querySelector("form")!.getBoundingClientRect();
    return {
      taller: scrollHeight - innerHeight,
      scrolled: scrollY,
      top: document.querySelector("header")!.getBoundingClientRect().top,
      belowTheWindow: Math.max(0, composer.bottom - innerHeight),
      aboveTheWindow: Math.min(0, composer.top),
    };
  });
  expect(found.taller, where).toBeLessThanOrEqual(0);
  expect({ ...found, taller: 0 }, where).toEqual({ taller: 0, scrolled: 0, top: 0, belowTheWindow: 0, aboveTheWindow: 0 });
}

test("P2: however long a conversation is, the document is as tall as the window, and the composer is there", async () => {
  const person = await nexus.member();
  const code = "```sh\n" + "echo a line of code that is rather long, so that it has to scroll sideways in its frame\n".repeat(80) + "```";
  const table = `| a | b |\n|---|---|\n${"| one | two |\n".repeat(60)}`;
  const tools = [{ name: "current_time", arguments: "{}" }];
  for (const answer of [code, table, "- [ ] a task\n".repeat(50), "Word ".repeat(900)]) {
    await provider.says({ answer, reasoning: "I think.\n".repeat(40), tools });
    expect(await askOutside(person, `Show me ${"very ".repeat(60)}much`)).toContain("run_finished");
  }
  for (const { name, ...options } of SIZES) {
    const visit = await enter(person, options);
    const { page } = visit;
    await page.getByRole("article").nth(3).waitFor();
    await expectToFit(page, name);
    await page.evaluate(() => {
      for (const fold of document.querySelectorAll("details")) fold.open = true;
    });
    await expectToFit(page, `${name}, unfolded`);
    await page.getByLabel("Your message").fill("a line\n".repeat(40));
    await expectToFit(page, `${name}, while writing`);
    await page.getByLabel("Your message").fill("/");
    await expectToFit(page, `${name}, with commands`);
    // What a screen reader or a search brings into view may be any of the hidden headings.
    await page.evaluate(() => {
      for (const heading of document.querySelectorAll("[role=log] h2")) heading.scrollIntoView();
    });
    await expectToFit(page, `${name}, after looking for headings`);
    await visit.expectNoSidewaysScrolling();
    await visit.picture(`fits-${name.replaceAll(" ", "-")}`);
    await visit.end();
  }
});
