// Writing: nothing that is typed is lost, and only what is meant to be sent is sent.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser.ts";
import { Nexus } from "./nexus.ts";
import { Provider } from "./provider.ts";

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const PASSPHRASE = "correct horse battery";
const MESSAGES = "**/api/v1/chat";

let browser: Browser;
let provider: Provider;
let nexus: Nexus;

beforeAll(async () => {
  provider = await Provider.start();
  const template = "\nlimits:\n  identity:\n    requests_per_minute: 1000\n";
  [nexus, browser] = await Promise.all([Nexus.start(provider.url, "open", { template }), launch()]);
});

afterAll(async () => {
  await browser?.close();
  await nexus?.stop();
  provider?.stop();
});

const area = (page: Page): Locator => page.getByLabel("Your message");

/** A member who is signed in with a token. */
async function member(options: object = DESKTOP, prepare?: (page: Page) => Promise<void>): Promise<{ visit: Visit; token: string }> {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, options, prepare);
  await visit.signIn(token);
  await visit.page.getByText("answers you").waitFor();
  return { visit, token };
}

/** The answer of the built-in model stands there. */
const answered = (page: Page): Promise<void> => page.getByRole("article").getByText("a mirror and not an AI").first().waitFor();

/** What the server has stored, newest first. */
async function stored(token: string): Promise<{ role: string; content: string }[]> {
  const answer = await fetch(`${nexus.url}/api/v1/messages`, { headers: { Authorization: `Bearer ${token}` } });
  return ((await answer.json()) as { messages: { role: string; content: string }[] }).messages;
}

/** Pastes, as a person does it. */
async function paste(page: Page, text: string): Promise<void> {
  await page.evaluate((words) => navigator.clipboard.writeText(words), text);
  await page.keyboard.press("Control+V");
}

test("P5: a draft survives a reload and signing out, and no other person of this browser sees it", async () => {
  const [ada, bob] = [await nexus.member(), await nexus.member()];
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.signIn(ada.token);
  await area(page).fill("A letter to my doctor,\nhalf written");
  await page.reload();
  await area(page).waitFor();
  expect(await area(page).inputValue()).toBe("A letter to my doctor,\nhalf written");

  await page.getByRole("button", { name: "Sign out" }).click();
  await visit.signIn(bob.token);
  expect(await area(page).inputValue()).toBe("");
  expect(await page.getByText("my doctor").count()).toBe(0);
  await area(page).fill("Bob's own");
  await page.getByRole("button", { name: "Sign out" }).click();

  await visit.signIn(ada.token);
  expect(await area(page).inputValue()).toBe("A letter to my doctor,\nhalf written");
  // What was sent is no draft any more.
  await page.keyboard.press("Enter");
  await answered(page);
  await page.reload();
  await answered(page);
  expect(await area(page).inputValue()).toBe("");
  await visit.end();
});

test("P5: each tab has its own draft, and a new one begins with what no open tab holds", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page: first } = visit;
  await visit.signIn(token, true);
  await area(first).fill("The first letter");
  const second = await visit.tab();
  await area(second).waitFor();
  expect(await area(second).inputValue()).toBe("");
  await area(second).fill("The second letter");

  // A tab that is duplicated brings everything along that belongs to the tab.
  const third = await visit.tab();
  await area(third).waitFor();
  const own = await first.evaluate(() => Object.entries(sessionStorage));
  await third.evaluate((entries) => entries.forEach(([name, value]) => sessionStorage.setItem(name, value)), own);
  await third.reload();
  await area(third).waitFor();
  expect(await area(third).inputValue()).toBe("");
  await area(third).fill("The third letter");

  for (const [tab, text] of [[first, "The first letter"], [second, "The second letter"], [third, "The third letter"]] as const) {
    expect(await area(tab).inputValue()).toBe(text);
    await tab.reload();
    await area(tab).waitFor();
    expect(await area(tab).inputValue()).toBe(text);
  }

  // What a closed tab leaves behind is taken once.
  await second.close();
  const fourth = await visit.tab();
  await area(fourth).waitFor();
  expect(await area(fourth).inputValue()).toBe("The second letter");
  const fifth = await visit.tab();
  await area(fifth).waitFor();
  expect(await area(fifth).inputValue()).toBe("");
  await fourth.reload();
  await area(fourth).waitFor();
  expect(await area(fourth).inputValue()).toBe("The second letter");
  await visit.end();
});

test("P5: a tab that was signed out leaves its draft to the next one", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.signIn(token);
  await area(page).fill("Begun here");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "I have a token" }).waitFor();
  const next = await visit.tab();
  await next.getByRole("button", { name: "I have a token" }).click();
  await next.getByLabel("Your token").fill(token);
  await next.getByRole("button", { name: "Enter" }).click();
  await area(next).waitFor();
  expect(await area(next).inputValue()).toBe("Begun here");
  await area(next).fill("Begun here, and gone on with there");
  await visit.signIn(token);
  expect(await area(page).inputValue()).toBe("");
  await visit.end();
});

test("P9: a command that is whole runs with the first Enter, and Tab completes", async () => {
  const { visit } = await member();
  const { page } = visit;
  const options = page.getByRole("listbox", { name: "Commands" }).getByRole("option");
  await area(page).fill("/config");
  await options.first().waitFor();
  await visit.expectAccessible();
  await visit.picture("commands");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByText("My settings").waitFor();
  await page.keyboard.press("Escape");
  expect(await area(page).inputValue()).toBe("");
  expect(await page.getByRole("article").count()).toBe(0);

  await area(page).fill("/he");
  await options.first().waitFor();
  await page.keyboard.press("Enter");
  expect(await area(page).inputValue()).toBe("/help ");
  await page.keyboard.press("Enter");
  await page.getByRole("table").waitFor();

  await area(page).fill("/config");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  expect(await area(page).inputValue()).toMatch(/^\/config\.\w+ /);
  await area(page).fill("/config.s");
  await page.keyboard.press("Tab");
  expect(await area(page).inputValue()).toBe("/config.set ");
  await visit.end();
});

test("P5: a session that ends while somebody types takes no text with it", async () => {
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  const endSession = async (): Promise<void> => {
    const [cookie] = await page.context().cookies();
    const headers = { Cookie: `nexus=${cookie!.value}`, Origin: nexus.url };
    const answer = await fetch(`${nexus.url}/api/v1/auth/session`, { method: "DELETE", headers });
    expect(answer.ok).toBe(true);
  };
  const signInAgain = async (): Promise<void> => {
    await page.getByText("You are not signed in any more").waitFor();
    await page.getByRole("button", { name: /^Sign in/ }).first().click();
    await visit.sign(PASSPHRASE, "Sign in");
    await area(page).waitFor();
  };
  await visit.makeKey(PASSPHRASE, true);
  await page.getByRole("button", { name: "Register my key" }).click();
  await page.getByText("answers you").waitFor();

  // It is noticed by the question itself,
  await area(page).fill("  The question that took an hour");
  await endSession();
  await page.keyboard.press("Enter");
  await signInAgain();
  expect(await area(page).inputValue()).toBe("  The question that took an hour");

  // and by something else, while the question is still being typed.
  await area(page).fill("Not yet fin");
  await endSession();
  await page.getByRole("button", { name: /My settings/ }).click();
  await signInAgain();
  expect(await area(page).inputValue()).toBe("Not yet fin");
  await visit.end();
});

test("P5: a refused question returns to the composer, before what was typed meanwhile", async () => {
  const { visit, token } = await member();
  const { page } = visit;
  const problem = page.getByRole("alert").getByRole("strong").or(page.getByRole("alert").locator("strong"));

  // Too long for the server: its own refusal.
  const long = "long ".repeat(60_000);
  await area(page).fill(long);
  await page.getByRole("button", { name: "Send" }).click();
  await problem.first().waitFor();
  expect(await area(page).inputValue()).toBe(long);
  expect(await page.getByRole("article").count()).toBe(0);

  // No network at all.
  await area(page).fill("Said into the void");
  await page.context().setOffline(true);
  await page.keyboard.press("Enter");
  await page.getByText("Nexus cannot be reached").first().waitFor();
  expect(await area(page).inputValue()).toBe("Said into the void");
  await visit.expectAccessible();
  await visit.picture("refused");
  await page.context().setOffline(false);

  for (const [status, code] of [[429, "rate_limited"], [503, "busy"], [403, "model_not_allowed"]] as const) {
    let answer: () => void = () => undefined;
    const typed = new Promise<void>((resolve) => (answer = resolve));
    await page.route(MESSAGES, async (route) => {
      await typed;
      await route.fulfill({ status, json: { error: { code, message: "not now", retryable: true } } });
    });
    await area(page).fill(`Refused with ${status}`);
    await page.keyboard.press("Enter");
    await expect.poll(() => area(page).inputValue()).toBe("");
    await page.keyboard.type("and more");
    answer();
    await expect.poll(() => area(page).inputValue()).toBe(`Refused with ${status}\n\nand more`);
    await page.unroute(MESSAGES);
    await page.reload();
    await area(page).waitFor();
    expect(await area(page).inputValue()).toBe(`Refused with ${status}\n\nand more`);
  }
  expect(await stored(token)).toEqual([]);

  await area(page).fill("Accepted at last");
  await page.keyboard.press("Enter");
  await answered(page);
  expect(await problem.count()).toBe(0);
  expect(await area(page).inputValue()).toBe("");
  await visit.end();
});

test("P5: a reload while a question is on its way keeps it", async () => {
  const { visit } = await member();
  const { page } = visit;
  await page.route(MESSAGES, () => undefined);
  await area(page).fill("On its way");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Stop" }).waitFor();
  await page.reload();
  await area(page).waitFor();
  expect(await area(page).inputValue()).toBe("On its way");
  await visit.end();
});

test("P5: a command that fails, or is not signed, comes back too", async () => {
  const { visit } = await member();
  const { page } = visit;
  await visit.ask("/confg.set temperature 0.3");
  await page.getByText("There is no command").first().waitFor();
  await expect.poll(() => area(page).inputValue()).toBe("/confg.set temperature 0.3");
  const persona = "/prompt.set persona You are a lighthouse keeper, and it took long to say so.";
  await visit.ask(persona);
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => area(page).inputValue()).toBe(persona);
  await visit.ask("/help");
  await page.getByRole("table").waitFor();
  await expect.poll(() => area(page).inputValue()).toBe("");
  await visit.end();
});

test("P5: pasted characters that nobody can see are taken out, and the text stays", async () => {
  const { visit, token } = await member();
  const { page } = visit;
  await area(page).fill("Log: ");
  await paste(page, "\u001b[31mERROR\u001b[0m at \u0007line 3\u{e0041}");
  expect(await area(page).inputValue()).toBe("Log: [31mERROR[0m at line 3");
  await page.getByText("4 invisible characters were taken out").waitFor();
  await visit.expectAccessible();
  await page.keyboard.press("Enter");
  await answered(page);
  expect((await stored(token)).at(-1)!.content).toBe("Log: [31mERROR[0m at line 3");
  await visit.end();
});

test("P6: the Enter that confirms an input method never sends", async () => {
  const { visit, token } = await member();
  const { page } = visit;
  await area(page).fill("你好");
  const press = (script: string): Promise<void> =>
    area(page).evaluate((textarea, code) => void new Function("textarea", code)(textarea), script);
  // WebKit's order, as it was recorded.
  await press(readFileSync(join(import.meta.dirname, "cases/ime-safari.js"), "utf8"));
  await press(`textarea.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, isComposing: true }))`);
  await press(`textarea.dispatchEvent(new CompositionEvent("compositionend", { data: "好", bubbles: true }))`);
  await press(`textarea.dispatchEvent(new KeyboardEvent("keydown", { key: "Process", keyCode: 229, bubbles: true, cancelable: true }))`);
  expect(await area(page).inputValue()).toBe("你好");
  // What the browser itself composes, by the protocol of its developers.
  const client = await page.context().newCDPSession(page);
  await client.send("Input.imeSetComposition", { text: "世界", selectionStart: 2, selectionEnd: 2 });
  await press(`textarea.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true, cancelable: true }))`);
  await client.send("Input.insertText", { text: "世界" });
  expect(await area(page).inputValue()).toBe("你好世界");
  expect(await stored(token)).toEqual([]);
  await page.keyboard.press("Enter");
  await answered(page);
  expect((await stored(token)).at(-1)!.content).toBe("你好世界");
  await visit.end();
});

test("P6: on a phone, Enter begins a line and the button sends", async () => {
  const { visit, token } = await member(PHONE);
  const { page } = visit;
  await area(page).tap();
  await page.keyboard.type("Milk");
  await page.keyboard.press("Enter");
  await page.keyboard.type("Bread");
  expect(await area(page).inputValue()).toBe("Milk\nBread");
  await visit.expectNoSidewaysScrolling();
  await visit.picture("phone-two-lines");
  await page.getByRole("button", { name: "Send" }).tap();
  await answered(page);
  expect((await stored(token)).at(-1)!.content).toBe("Milk\nBread");
  await visit.end();
});

test("P6: white space of pasted code arrives as it was pasted", async () => {
  const { visit, token } = await member();
  const { page } = visit;
  const code = "    def f():\n\treturn 1\n\n";
  await area(page).focus();
  await paste(page, code);
  await page.keyboard.press("Enter");
  await answered(page);
  expect((await stored(token)).at(-1)!.content).toBe(code);
  await area(page).fill(" \n\t ");
  expect(await page.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
  await page.keyboard.press("Enter");
  expect((await stored(token)).filter(({ role }) => role === "human").length).toBe(1);
  await visit.end();
});

test.each([["mouse", DESKTOP], ["finger", PHONE]] as const)("P6: a double click on Send is not Send and Stop: %s", async (how, options) => {
  const { visit } = await member(options);
  const { page } = visit;
  await page.getByLabel("Model for the next message").selectOption("local");
  await provider.says({ answer: "One two three four five", holdAfter: 2 });
  await area(page).fill("Count");
  const send = page.getByRole("button", { name: "Send" });
  const box = (await send.boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  if (how === "mouse") await page.mouse.dblclick(x, y);
  else for (const _ of [1, 2]) await page.touchscreen.tap(x, y);
  await page.getByText(/One two/).waitFor();
  await page.getByRole("button", { name: "Stop" }).waitFor();
  // However long one goes on.
  await page.mouse.click(x, y);
  await visit.expectNoSidewaysScrolling();
  await visit.picture(`stop-${how}`);
  await provider.goOn();
  await page.getByText("One two three four five").first().waitFor();
  expect(await page.getByText("You stopped").count()).toBe(0);
  expect(await page.getByRole("article").count()).toBe(1);
  await visit.end();
});

test("P6: text that runs from right to left does so while it is typed", async () => {
  const { visit } = await member();
  const { page } = visit;
  const direction = (field: Locator): Promise<string> => field.evaluate((node) => getComputedStyle(node).direction);
  await area(page).fill("مرحبا");
  expect(await direction(area(page))).toBe("rtl");
  await visit.picture("right-to-left");
  await area(page).fill("Hello");
  expect(await direction(area(page))).toBe("ltr");
  await page.getByRole("button", { name: /My settings/ }).click();
  await visit.card("Persona").getByRole("button", { name: "Change" }).click();
  const editor = visit.card("Persona").getByRole("textbox");
  await editor.fill("أنت حارس منارة");
  expect(await direction(editor)).toBe("rtl");
  await visit.end();
});
