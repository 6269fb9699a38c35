// Answers that are stopped, reloaded, broken off, cut, asked again, or read along in another tab.

import type { Browser, Locator, Page } from "playwright-core";
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

async function enter(person: Person): Promise<Visit> {
  const visit = await Visit.begin(browser, nexus.url);
  await visit.signIn(person.token);
  return visit;
}

/** Somebody whom the scripted model answers. */
async function member(): Promise<Person> {
  const person = await nexus.member();
  await nexus.cli("config", "set", person.key, "model", "local");
  return person;
}

/** What the conversation shows, without what is only spoken. */
const shown = (page: Page, text: string | RegExp): Locator => page.getByRole("article").getByText(text).first();

interface Stored {
  role: string;
  content: string;
}

/** What is stored, oldest first. */
async function stored({ token }: Person): Promise<Stored[]> {
  const response = await fetch(`${nexus.url}/api/v1/messages`, { headers: { Authorization: `Bearer ${token}` } });
  const { messages } = (await response.json()) as { messages: Stored[] };
  return messages.reverse().map(({ role, content }) => ({ role, content }));
}

test("P3: Stop ends the run at the server, its part is stored, and asking again doubles nothing", async () => {
  const person = await member();
  const visit = await enter(person);
  const { page } = visit;
  const left = await provider.left();
  await provider.says({ answer: "Alpha beta gamma delta omega", holdAfter: 2 });
  await visit.ask("Go");
  await shown(page, /Alpha beta/).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await shown(page, "Stopped. This is what came until then.").waitFor();
  await page.getByRole("button", { name: "Send" }).waitFor();
  // The model was told, too.
  await expect.poll(() => provider.left()).toBe(left + 1);
  expect(await stored(person)).toEqual([
    { role: "human", content: "Go" },
    { role: "ai", content: "Alpha beta " },
  ]);
  await visit.expectAccessible();
  await visit.picture("stopped");

  await page.reload();
  await shown(page, "Stopped. This is what came until then.").waitFor();
  await shown(page, "Alpha beta").waitFor();
  await provider.says({ answer: "The whole answer." });
  await page.getByRole("button", { name: "Ask again" }).click();
  await shown(page, "The whole answer.").waitFor();
  // Finished means stored.
  await page.getByRole("button", { name: "Send" }).waitFor();
  expect(await page.getByRole("article").count()).toBe(1);
  expect((await provider.asked()).at(-1)).toEqual(["Go"]);
  expect(await stored(person)).toEqual([
    { role: "human", content: "Go" },
    { role: "ai", content: "The whole answer." },
  ]);
  await page.reload();
  await shown(page, "The whole answer.").waitFor();
  expect(await page.getByRole("article").count()).toBe(1);
  expect(await page.getByText("Alpha").count()).toBe(0);
  await visit.end();
});

test("P3: a reload in the middle of an answer says that it is being written, and then shows it", async () => {
  const person = await member();
  const visit = await enter(person);
  const { page } = visit;
  await provider.says({ answer: "Alpha beta gamma delta omega", holdAfter: 2 });
  await visit.ask("Go");
  await shown(page, /Alpha beta/).waitFor();
  await page.reload();
  await shown(page, "An answer is being written…").waitFor();
  await visit.expectAccessible();
  await visit.picture("being-written");
  await provider.goOn();
  await shown(page, "Alpha beta gamma delta omega").waitFor();
  expect(await page.getByText("An answer is being written…").count()).toBe(0);
  expect(await page.getByRole("article").count()).toBe(1);

  // It can be stopped there as well.
  await provider.says({ answer: "One two three four five", holdAfter: 2 });
  await visit.ask("Again");
  await shown(page, /One two/).waitFor();
  await page.reload();
  await shown(page, "An answer is being written…").waitFor();
  await page.getByRole("article").last().getByRole("button", { name: "Stop" }).click();
  await shown(page, "Stopped. This is what came until then.").waitFor();
  await shown(page, "One two").waitFor();
  expect((await stored(person)).at(-1)).toEqual({ role: "ai", content: "One two " });
  await visit.end();
});

test("P3: another tab shows what was said here, while it is written and afterwards", async () => {
  const person = await member();
  const [here, there] = [await enter(person), await enter(person)];
  await provider.says({ answer: "Alpha beta gamma", holdAfter: 1 });
  await here.ask("Go");
  await shown(here.page, "Alpha").waitFor();
  await there.page.evaluate(() => window.dispatchEvent(new Event("focus")));
  await shown(there.page, "An answer is being written…").waitFor();
  await shown(there.page, "Go").waitFor();
  await provider.goOn();
  await shown(there.page, "Alpha beta gamma").waitFor();
  await shown(here.page, "Alpha beta gamma").waitFor();
  for (const visit of [here, there]) {
    expect(await visit.page.getByRole("article").count()).toBe(1);
    await visit.end();
  }
});

test("P3: a tab shows at once what was asked in another tab of the same browser", async () => {
  const person = await member();
  const visit = await Visit.begin(browser, nexus.url);
  await visit.signIn(person.token, true);
  const here = visit.page;
  const there = await visit.tab();
  await there.getByText("answers you").waitFor();
  // Nothing else tells the other tab.
  await there.evaluate(() => {
    for (const event of ["focus", "visibilitychange", "online"]) {
      for (const target of [window, document]) target.addEventListener(event, (it) => it.stopImmediatePropagation(), true);
    }
  });
  for (const [question, answer] of [["First", "Alpha beta gamma"], ["Second", "One two three"]] as const) {
    await provider.says({ answer, holdAfter: 1 });
    await visit.ask(question);
    await shown(there, question).waitFor();
    await shown(there, "An answer is being written…").waitFor();
    await provider.goOn();
    await shown(there, answer).waitFor();
    await shown(here, answer).waitFor();
  }
  expect(await there.getByRole("article").count()).toBe(2);

  // Another person of this browser hears nothing.
  const other = await nexus.member();
  await there.evaluate((token) => sessionStorage.setItem("nexus.token", token), other.token);
  await there.reload();
  await there.getByText("answers you").waitFor();
  const asked: string[] = [];
  there.on("request", (request) => asked.push(request.url()));
  await provider.says({ answer: "Not for them." });
  await visit.ask("Third");
  await shown(here, "Not for them.").waitFor();
  await there.getByLabel("Your message").fill("x");
  expect(asked).toEqual([]);
  await visit.end();
});

test("P3: an answer that the server was stopped in says so at once and after a reload, and can be asked again", async () => {
  const person = await member();
  const visit = await enter(person);
  const { page } = visit;
  const said = "The server was stopped while it wrote this answer. This is what came until then.";
  await provider.says({ answer: "Alpha beta gamma", holdAfter: 1 });
  await visit.ask("Go");
  await shown(page, "Alpha").waitFor();
  await nexus.terminate();
  await shown(page, said).waitFor();
  await visit.picture("server-stopped");
  await nexus.restart();
  await page.reload();
  await shown(page, said).waitFor();
  expect(await page.getByText("broke off").count()).toBe(0);
  await provider.says({ answer: "A whole answer." });
  await page.getByRole("button", { name: "Ask again" }).click();
  await shown(page, "A whole answer.").waitFor();
  expect(await page.getByRole("article").count()).toBe(1);
  await visit.end();
});

test("P3: a question that failed can be asked again, also after a reload, and is stored once", async () => {
  const person = await member();
  const visit = await enter(person);
  const { page } = visit;
  await provider.says({ answer: "", refuse: 400 });
  await visit.ask("Why?");
  await shown(page, "The provider refused this request").waitFor();
  await page.reload();
  // With the reason, where the server keeps it.
  await shown(page, /^(The provider refused this request|There is no answer to this\.)/).waitFor();
  // It fails once more, and then it does not.
  await page.getByRole("button", { name: "Ask again" }).click();
  await shown(page, "The provider refused this request").waitFor();
  await page.reload();
  // With the reason, where the server keeps it.
  await shown(page, /^(The provider refused this request|There is no answer to this\.)/).waitFor();
  await provider.says({ answer: "Because." });
  await page.getByRole("button", { name: "Ask again" }).click();
  await shown(page, "Because.").waitFor();
  await page.getByRole("button", { name: "Send" }).waitFor();
  expect((await provider.asked()).at(-1)).toEqual(["Why?"]);
  expect(await stored(person)).toEqual([
    { role: "human", content: "Why?" },
    { role: "ai", content: "Because." },
  ]);
  expect(await page.getByRole("article").count()).toBe(1);
  await visit.end();
});

test("P7: an answer that was cut by the limit of tokens or a filter says so, also after a reload", async () => {
  const person = await member();
  const visit = await enter(person);
  const { page } = visit;
  await provider.says({ answer: "A long story that", finish: "length" });
  await visit.askAndWait("Tell me a story");
  await provider.says({ answer: "Here is how", finish: "content_filter" });
  await visit.askAndWait("And another");
  await provider.says({ answer: "A whole one." });
  await visit.askAndWait("A third");
  for (const turn of ["at once", "after a reload"]) {
    const articles = page.getByRole("article");
    await articles.nth(0).getByText("cut off: it reached the longest length").waitFor();
    await articles.nth(1).getByText("cut off by the provider's content filter").waitFor();
    expect(await articles.nth(2).getByText("cut off").count(), turn).toBe(0);
    await page.reload();
  }
  await visit.expectAccessible();
  await visit.picture("cut-off");
  await visit.end();
});

test("P9: after a server was killed, the page promises nothing, and shows what is there when it is back", async () => {
  const person = await member();
  const visit = await enter(person);
  const { page } = visit;
  await provider.says({ answer: "Alpha beta gamma", holdAfter: 1 });
  await visit.ask("Go");
  await shown(page, "Alpha").waitFor();
  await nexus.kill();
  await shown(page, "The connection broke off").waitFor();
  await shown(page, "looks for the rest of the answer").waitFor();
  expect(await page.getByText("finishes the answer").count()).toBe(0);
  await visit.picture("connection-lost");
  await provider.goOn();
  await nexus.restart();
  await shown(page, "There is no answer to this.").waitFor();
  expect(await page.getByRole("article").getByText("The connection broke off").count()).toBe(0);
  await provider.says({ answer: "A new answer." });
  await page.getByRole("button", { name: "Ask again" }).click();
  await shown(page, "A new answer.").waitFor();
  await page.getByRole("button", { name: "Send" }).waitFor();
  expect((await stored(person)).filter(({ role }) => role === "human")).toHaveLength(1);
  await visit.end();
});
