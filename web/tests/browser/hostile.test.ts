// T27, T28: whatever models, people and tools say, the page runs nothing of it and asks nobody else.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser.ts";
import { Nexus, type Person } from "./nexus.ts";
import { LEAKS, PAYLOADS } from "./payloads.ts";
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

/** Counts what the browser itself had to stop: nothing should ever come that far. */
async function watch(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const stopped: string[] = [];
    Object.assign(window, { stopped });
    document.addEventListener("securitypolicyviolation", (event) =>
      stopped.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
}

function stopped(page: Page): Promise<string[]> {
  return page.evaluate(() => (window as unknown as { stopped: string[] }).stopped);
}

/** Asks without the page, as another client of the same person. */
async function ask({ token }: Person, content: string): Promise<void> {
  const answer = await fetch(`${nexus.url}/api/v1/chat`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ content, config: { model: "local" } }),
  });
  expect(await answer.text()).toContain("run_finished");
}

/** A question may not hold these. */
function visible(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, " ");
}

/** Moves and focuses as a person could, and looks for anything that could run or load. */
async function expectHarmless(page: Page): Promise<void> {
  const found = await page.evaluate(() => {
    const bad: string[] = [];
    for (const element of document.body.querySelectorAll("*")) {
      for (const kind of ["mouseover", "mouseenter", "pointerdown", "focus", "focusin", "toggle"]) {
        element.dispatchEvent(new Event(kind, { bubbles: true }));
      }
      const names = [...element.attributes].map(({ name }) => name);
      if (names.some((name) => name.startsWith("on") || name === "srcdoc" || name === "ping")) bad.push(element.outerHTML);
    }
    const log = document.querySelector("[role=log]");
    const loads = "img,picture,video,audio,source,iframe,object,embed,script,style,link,base,meta,form,use,image";
    for (const element of log?.querySelectorAll(loads) ?? []) bad.push(element.outerHTML);
    for (const link of log?.querySelectorAll("a") ?? []) {
      const isSafe = /^(https?:|mailto:|#)/.test(link.getAttribute("href") ?? "#");
      if (!isSafe || link.rel !== "noopener noreferrer nofollow") bad.push(link.outerHTML);
    }
    return bad;
  });
  expect(found).toEqual([]);
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
  expect(await stopped(page)).toEqual([]);
}

/** Shows everything that was ever said. */
async function showAll(page: Page, turns: number): Promise<void> {
  const articles = page.getByRole("article");
  const older = page.getByRole("button", { name: "Load older messages" });
  await articles.first().waitFor();
  while ((await older.count()) > 0) {
    const shown = await articles.count();
    await older.click();
    await expect.poll(() => articles.count()).toBeGreaterThan(shown);
  }
  await expect.poll(() => articles.count()).toBe(turns);
}

async function openAll(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  });
}

test("t27: a hundred texts in answers, thoughts, questions, names and tools run nothing", { timeout: 240_000 }, async () => {
  expect(new Set(PAYLOADS).size).toBe(100);
  const person = await nexus.member();
  for (const payload of PAYLOADS) {
    const tools = [{ name: visible(payload), arguments: JSON.stringify({ [payload]: payload }) }];
    await provider.says({ reasoning: payload, answer: payload, tools });
    await ask(person, visible(payload));
  }
  await nexus.cli("prompt", "set", person.key, "persona", PAYLOADS.map(visible).join("\n\n"));
  const userAgent = PAYLOADS.map(visible).join(" ").replace(/[^ -~]/g, "").slice(0, 190);
  const visit = await Visit.begin(browser, nexus.url, { userAgent }, watch);
  const { page } = visit;
  await visit.signIn(person.token);
  await showAll(page, PAYLOADS.length);
  await openAll(page);
  // One tool and one thought each: nothing was left out.
  expect(await page.locator("details .name").count()).toBeGreaterThanOrEqual(PAYLOADS.length);
  await expectHarmless(page);

  // As they arrive, and all at once.
  await page.getByLabel("Model for the next message").selectOption("local");
  for (let at = 0; at < PAYLOADS.length; at += 10) {
    const some = PAYLOADS.slice(at, at + 10);
    const tools = some.map((payload) => ({ name: visible(payload), arguments: payload }));
    await provider.says({ reasoning: some.join("\n\n"), answer: some.join("\n\n"), tools });
    await visit.askAndWait(some.map(visible).join("\n\n"));
    await openAll(page);
  }
  await expectHarmless(page);

  await page.getByRole("button", { name: /My settings/ }).click();
  await page.getByText("Template version").waitFor();
  await openAll(page);
  await expectHarmless(page);
  await visit.end();
});

test("t27: names of keys and sign-ins run nothing", async () => {
  const visit = await Visit.begin(browser, nexus.url, { userAgent: PAYLOADS[6]! }, watch);
  const { page } = visit;
  const passphrase = "correct horse battery";
  await visit.makeKey(passphrase, true);
  await page.getByRole("button", { name: "Register my key" }).click();
  await page.getByText("answers you").waitFor();
  await page.getByRole("button", { name: /My settings/ }).click();
  await page.getByText("Template version").waitFor();
  for (const name of [PAYLOADS[0]!, PAYLOADS[6]!, PAYLOADS[12]!, PAYLOADS[97]!]) {
    await page.getByRole("button", { name: "Make an API key" }).click();
    await page.getByLabel("What is it for?").fill(name);
    await page.getByRole("button", { name: "Make the key" }).click();
    await page.getByRole("button", { name: "I have copied it" }).click();
    await page.getByText(name).first().waitFor();
  }
  await page.getByText(PAYLOADS[6]!).nth(1).waitFor();
  await expectHarmless(page);
  await visit.end();
});

test("t28: what an answer shows asks nobody else, and an image is a link", async () => {
  const person = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, {}, watch);
  const { page } = visit;
  await visit.signIn(person.token);
  await page.getByLabel("Model for the next message").selectOption("local");
  for (const leak of LEAKS) {
    await provider.says({ answer: `${leak}\n\nafter`, reasoning: leak });
    await visit.askAndWait(leak);
  }
  await openAll(page);
  const link = page.getByRole("link", { name: "Image: a cat" }).first();
  expect(await link.getAttribute("href")).toBe("https://evil.example/cat.png");
  await expectHarmless(page);
  await page.reload();
  await showAll(page, LEAKS.length);
  await openAll(page);
  await expectHarmless(page);
  // Looks at every request since the page was opened.
  await visit.end();
});

test("t27: the trap would notice, and the browser would stop what came so far", async () => {
  const visit = await Visit.begin(browser, nexus.url, {}, watch);
  const { page } = visit;
  await page.evaluate(() => {
    const hole = document.createElement("div");
    hole.innerHTML = "<img src=https://evil.example/x onerror='window.hacked=1'>";
    document.body.append(hole);
  });
  await expect.poll(async () => (await stopped(page)).join()).toContain("img-src");
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
  await expect(expectHarmless(page)).rejects.toThrow();
  await page.context().close();
});
