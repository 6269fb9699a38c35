// Settings: controls as the template has them, values checked before anybody signs, plain words.

import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser.ts";
import { Nexus, type Person } from "./nexus.ts";
import { Provider } from "./provider.ts";

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const PASSPHRASE = "correct horse battery";

/** Prompts with a control of each kind, and names and limits of this server's own. */
const OWN = [
  "    tone:\n      content: Speak plainly.\n      editable: true\n      order: 4\n",
  "    - prompts.persona\n    - prompts.tone\n",
  [
    "    prompts.tone:",
    "      type: select",
    "      label: Tone of voice",
    "      description: How formal it is with you.",
    "      options: [Speak plainly., Speak like a king., \"\"]",
    "    config.history_context_size:",
    "      type: number",
    "      label: How far it looks back",
    "      description: In messages, yours and its own.",
    "      min: 0",
    "      max: 100",
    "      step: 5",
    "",
  ].join("\n"),
] as const;

function own(template: string): string {
  const [prompt, editable, options] = OWN;
  return template
    .replace("    model: gemini-2.5-flash\n", "    model: echo\n")
    .replace("\nui:\n", `\n${prompt}\nui:\n`)
    .replace("    - prompts.persona\n", editable)
    .replace(/    config\.history_context_size:\n(?:      .*\n)+/, "")
    .replace("    prompts.persona:\n      type: textarea\n", `    prompts.persona:\n      type: textarea\n      label: Character\n      max_length: 2000\n${options}`);
}

let browser: Browser;
let provider: Provider;
let nexus: Nexus;

beforeAll(async () => {
  provider = await Provider.start();
  [nexus, browser] = await Promise.all([Nexus.start(provider.url, "open", { change: own }), launch()]);
});

afterAll(async () => {
  await browser?.close();
  await nexus?.stop();
  provider?.stop();
});

async function openSettings({ page }: Visit): Promise<void> {
  await page.getByRole("button", { name: /My settings/ }).click();
  await page.getByText("Template version").waitFor();
}

const settings = ({ page }: Visit): Locator => page.getByRole("dialog", { name: "My settings" });

/** A member with a token: what has to be signed is asked for, and can be declined. */
async function reader(options: object = DESKTOP): Promise<{ visit: Visit; person: Person }> {
  const person = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, options);
  await visit.signIn(person.token);
  await visit.page.getByText("answers you").waitFor();
  return { visit, person };
}

/** What the server says to the person who is signed in. */
function fromServer({ page }: Visit, path: string): Promise<string> {
  return page.evaluate(async (asked) => (await fetch(asked)).text(), path);
}

/** A member whose key is in the browser and unlocked. */
async function owner(options: object = DESKTOP): Promise<{ visit: Visit; key: string }> {
  const visit = await Visit.begin(browser, nexus.url, options);
  const key = await visit.makeKey(PASSPHRASE, true);
  await visit.page.getByRole("button", { name: "Register my key" }).click();
  await visit.page.getByText("answers you").waitFor();
  return { visit, key };
}

test("P5: Escape closes the editor and not the settings, and what was written is there again", async () => {
  const { visit } = await reader();
  const { page } = visit;
  await openSettings(visit);
  const character = visit.card("Character");
  await character.getByRole("button", { name: "Change" }).click();
  const editor = character.getByRole("textbox");
  await editor.fill("You are a lighthouse keeper.\nYou speak of ships.");
  await page.keyboard.press("Escape");
  await editor.waitFor({ state: "detached" });
  expect(await settings(visit).isVisible()).toBe(true);
  await character.getByText("not saved yet").waitFor();
  await visit.expectAccessible();

  // After a reload, too, and after a refusal.
  await page.reload();
  await openSettings(visit);
  await character.getByRole("button", { name: "Go on writing" }).click();
  expect(await editor.inputValue()).toBe("You are a lighthouse keeper.\nYou speak of ships.");
  await character.getByText("had written and not saved").waitFor();
  await visit.expectAccessible();
  await visit.picture("editor-draft");
  await character.getByRole("button", { name: "Save" }).click();
  await page.locator("#sign-title").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("#sign-title").waitFor({ state: "detached" });
  expect(await editor.inputValue()).toBe("You are a lighthouse keeper.\nYou speak of ships.");

  await page.context().setOffline(true);
  await editor.pressSequentially(" And of storms.");
  await page.context().setOffline(false);
  await character.getByRole("button", { name: "Start from the text in force" }).click();
  expect(await editor.inputValue()).not.toContain("lighthouse");
  await character.getByRole("button", { name: "Cancel" }).click();
  expect(await character.getByText("not saved yet").count()).toBe(0);

  // Other forms in the settings likewise.
  await page.getByRole("button", { name: "Make an API key" }).click();
  await page.getByLabel("What is it for?").fill("My editor");
  await page.keyboard.press("Escape");
  await page.getByLabel("What is it for?").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Erase my identity" }).click();
  await page.getByLabel(/^Type erase/).fill("era");
  await page.keyboard.press("Escape");
  await page.getByLabel(/^Type erase/).waitFor({ state: "detached" });
  await visit.card("Temperature").getByRole("button", { name: "Change" }).click();
  await page.keyboard.press("Escape");
  expect(await settings(visit).isVisible()).toBe(true);
  await page.keyboard.press("Escape");
  await settings(visit).waitFor({ state: "detached" });
  await visit.end();
});

test("P5: a text of one person's settings is no other's, and goes when it is saved or forgotten", async () => {
  const { visit } = await owner();
  const { page } = visit;
  await page.getByLabel("Your message").fill("unsent words");
  await openSettings(visit);
  const character = visit.card("Character");
  await character.getByRole("button", { name: "Change" }).click();
  await character.getByRole("textbox").fill("Private: you know of my illness.");
  await page.reload();
  await page.getByLabel("Your message").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await visit.signIn((await nexus.member()).token);
  await openSettings(visit);
  expect(await page.getByText("not saved yet").count()).toBe(0);
  await character.getByRole("button", { name: "Change" }).click();
  expect(await character.getByRole("textbox").inputValue()).not.toContain("illness");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Sign out" }).click();

  await page.getByRole("button", { name: /^Sign in/ }).first().click();
  await visit.sign(PASSPHRASE, "Sign in", true);
  await page.getByText("answers you").waitFor();
  await openSettings(visit);
  await character.getByRole("button", { name: "Go on writing" }).click();
  await character.getByRole("button", { name: "Save" }).click();
  await character.getByText(/^\s*Saved\./).waitFor();
  const texts = (): Promise<string> => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  expect(await texts()).not.toContain("illness");
  expect(await texts()).toContain("unsent words");
  await page.getByRole("button", { name: "Remove what I have not sent" }).click();
  await page.getByText("Removed from this browser.").waitFor();
  await visit.expectAccessible();
  expect(await texts()).not.toContain("unsent words");
  await page.keyboard.press("Escape");
  expect(await page.getByLabel("Your message").inputValue()).toBe("");
  await visit.end();
});

test.each([["desktop", DESKTOP], ["phone", PHONE], ["dark", { ...DESKTOP, colorScheme: "dark" }]] as const)(
  "M4: each control, its name and its description are those of the template, for prompts too: %s",
  async (name, options) => {
    const { visit, key } = await owner(options);
    await openSettings(visit);
    const tone = visit.card("Tone of voice");
    await tone.getByText("How formal it is with you.").waitFor();
    await tone.getByRole("button", { name: "Change" }).click();
    const select = tone.getByRole("combobox", { name: "Tone of voice" });
    expect(await select.locator("option").allInnerTexts()).toEqual([
      "Speak plainly.",
      "Speak like a king.",
      "Nothing: leave this part out",
    ]);
    await select.selectOption("Speak like a king.");
    await visit.expectNoSidewaysScrolling();
    await visit.expectAccessible();
    await visit.picture(`controls-${name}`);
    await tone.getByRole("button", { name: "Save" }).click();
    await tone.getByText("from you", { exact: true }).waitFor();
    await tone.getByText(/Saved\. Tone of voice:/).waitFor();
    expect(await nexus.cli("prompt", "get", key, "tone").catch(String)).toContain("Speak like a king.");

    const memory = visit.card("How far it looks back");
    await memory.getByText("In messages, yours and its own.").waitFor();
    await memory.getByRole("button", { name: "Change" }).click();
    expect(await memory.getByRole("slider").count()).toBe(0);
    await memory.getByLabel("How far it looks back").fill("15");
    await memory.getByRole("button", { name: "Save" }).click();
    await memory.getByText(/Saved\. How far it looks back:/).waitFor();
    const character = visit.card("Character");
    await character.getByRole("button", { name: "Change" }).click();
    expect(await character.getByRole("textbox").evaluate((node) => node.tagName)).toBe("TEXTAREA");
    await character.getByRole("textbox").fill("👋".repeat(2001));
    await character.getByText("At most 2,000 characters; this has 2,001. Shorten it by 1.").waitFor();
    expect(await character.getByRole("button", { name: "Save" }).isDisabled()).toBe(true);
    await character.getByRole("textbox").fill("👋".repeat(2000));
    await character.getByText("At most").waitFor({ state: "detached" });
    await character.getByRole("button", { name: "Cancel" }).click();
    await visit.card("Temperature").getByRole("button", { name: "Change" }).click();
    await visit.card("Temperature").getByRole("slider").waitFor();
    await visit.end();
  },
);

test("P9: a value outside its limits is refused at its field, and no signature is asked for", async () => {
  const { visit, person } = await reader();
  const { page } = visit;
  await openSettings(visit);
  const temperature = visit.card("Temperature");
  await temperature.getByRole("button", { name: "Change" }).click();
  const field = temperature.getByRole("textbox", { name: "Temperature", exact: true });
  const save = temperature.getByRole("button", { name: "Save" });
  for (const [typed, said] of [
    ["9", "9 is too large."],
    ["2.0000000001", "2.0000000001 is too large."],
    ["-1", "-1 is too small."],
    ["0.35", "0.35 lies between two steps."],
    ["warm", "Write a number, such as 0.7."],
  ] as const) {
    await field.fill(typed);
    await temperature.getByText(said).waitFor();
    expect(await temperature.getByText("From 0 to 2").count(), "the limit is said once").toBe(1);
    expect(await field.getAttribute("aria-invalid")).toBe("true");
    expect(await save.isDisabled()).toBe(true);
    await field.press("Enter");
    expect(await page.locator("#sign-title").count()).toBe(0);
  }
  await visit.expectAccessible();
  await visit.picture("out-of-range");
  // The server itself refuses it, too.
  const refused = await nexus.cli("config", "set", person.key, "temperature", "2.0000000001").then(() => "taken", String);
  expect(refused).toContain("from 0 to 2");
  await field.fill("0.3");
  expect(await field.getAttribute("aria-invalid")).toBe(null);
  await save.click();
  await page.locator("#sign-title").waitFor();
  await visit.end();
});

test("P9: what hides what is told in plain words, and so is what a revoked key stops", async () => {
  const { visit, key } = await owner();
  const { page } = visit;
  await nexus.cli("config", "set", key, "history_context_size", "40");
  await nexus.cli("config", "set", key, "temperature", "0.5");
  await expect.poll(() => fromServer(visit, "/api/v1/profile")).toContain("0.5");
  await page.reload();
  await openSettings(visit);
  const said = await settings(visit).innerText();
  expect(said).toMatch(/Instead of\s+0\.8, the default of this server/);
  expect(said).not.toMatch(/Hides|built into Nexus\.|attempt\./);

  await page.getByRole("button", { name: "Make an API key" }).click();
  await page.getByLabel("What is it for?").fill("My editor");
  await page.getByRole("button", { name: "Make the key" }).click();
  const dialog = page.getByRole("dialog").filter({ has: page.locator("#sign-title") });
  await visit.sign(PASSPHRASE, "Sign and make it");
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByRole("button", { name: "Revoke My editor" }).click();
  await page.getByRole("button", { name: "Really revoke My editor" }).click();
  await dialog.getByText("“My editor” stops working at once").waitFor();
  expect(await dialog.innerText()).not.toContain("attempt.");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await dialog.getByText("API keys go on working.").waitFor();
  await visit.end();
});

test("P9: models that cannot be asked are not offered to members, and nobody is told to set a variable", async () => {
  const { visit } = await reader();
  const { page } = visit;
  const picker = page.getByLabel("Model for the next message");
  expect(await picker.locator("option").allInnerTexts()).toEqual(["My model: echo", "local", "echo"]);
  await openSettings(visit);
  const model = visit.card("Model");
  await model.getByRole("button", { name: "Change" }).click();
  expect(await model.getByRole("combobox").locator("option").allInnerTexts()).toEqual(["local", "echo"]);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await visit.ask("/models");
  await page.getByRole("table").waitFor();
  expect(await page.locator("body").innerText()).not.toMatch(/[A-Z]+_API_KEY/);
  await visit.ask("/config.set model claude-sonnet-5.5");
  await page.keyboard.press("Escape");
  await visit.end();
});

test("P9: a limit that is reached is told in words, with the time as clocks here show it", async () => {
  const template = "\nlimits:\n  identity:\n    requests_per_minute: 2\n    daily_tokens: 1000000\n";
  const other = await Nexus.start(provider.url, "open", { template });
  try {
    const { token } = await other.member();
    const visit = await Visit.begin(browser, other.url, PHONE);
    const { page } = visit;
    await visit.signIn(token);
    // A minute may end between two questions, once.
    await expect
      .poll(
        async () => {
          await visit.ask("Again");
          await page.getByRole("button", { name: "Stop" }).waitFor({ state: "detached" });
          return page.getByText("You have reached the limit of").count();
        },
        { timeout: 60_000 },
      )
      .toBeGreaterThan(0);
    const said = await page.getByRole("alert").filter({ hasText: "You have reached" }).innerText();
    expect(said).toMatch(/limit of 2 requests a minute\. Try again in \d+ seconds?\./);
    expect(said).not.toMatch(/limits\.|_|\dT\d|Z/);
    expect(await page.getByLabel("Your message").inputValue()).toBe("Again");
    await visit.expectNoSidewaysScrolling();
    await visit.expectAccessible();
    await visit.picture("limit-phone");
    await visit.end();
  } finally {
    await other.stop();
  }
});

test("P9: an administrator sees what is still to be set up", async () => {
  const { visit, key } = await owner();
  const { page } = visit;
  await nexus.cli("admin", "grant", key);
  await expect.poll(() => fromServer(visit, "/api/v1/auth/session")).toContain(`"is_admin":true`);
  await page.reload();
  const picker = page.getByLabel("Model for the next message");
  await expect.poll(async () => (await picker.locator("option").allInnerTexts()).join()).toMatch(/gemini-2\.5-flash: .*GEMINI_API_KEY/);
  expect(await picker.locator("optgroup").last().getAttribute("label")).toBe("Cannot be asked now");
  await visit.end();
});

test("P9: a stored value that is not in force can be removed", async () => {
  const { visit, key } = await owner();
  const { page } = visit;
  await nexus.cli("prompt", "set", key, "tone", "Speak like a king.");
  await nexus.cli("config", "set", key, "temperature", "1.5");
  const before = await nexus.template();
  const after = before
    .replace(/    tone:\n(?:      .*\n)+/, "")
    .replace("    - prompts.tone\n", "")
    .replace(/    prompts\.tone:\n(?:      .*\n)+/, "")
    .replace("    - config.temperature\n", "");
  expect(after).not.toContain("tone");
  await nexus.apply(after);
  try {
    await expect.poll(() => fromServer(visit, "/api/v1/profile")).toContain("no prompt of this name");
    await page.reload();
    await openSettings(visit);
    await page.getByText(/“Tone” as you have set it is not used/).waitFor();
    await page.getByText(/“Temperature” as you have set it is not used/).waitFor();
    expect(await settings(visit).innerText()).not.toMatch(/prompts\.|config\.|by identity|ui\./);
    await visit.expectAccessible();
    await visit.picture("stale-overrides");
    for (const name of ["Tone", "Temperature"]) {
      await page.getByRole("button", { name: `Remove my value: ${name}` }).click();
      if (name === "Tone") await visit.sign(PASSPHRASE, "Sign and remove", true);
      await page.getByText(`“${name}” as you`).waitFor({ state: "detached" });
    }
  } finally {
    await nexus.apply(before);
  }
  await page.reload();
  await openSettings(visit);
  expect(await page.getByText("from you", { exact: true }).count()).toBe(0);
  await visit.end();
});

test("M6: a stored key that Nexus does not know can be removed", async () => {
  const { visit, key } = await owner();
  const { page } = visit;
  await nexus.store(key, { temprature: 0.1, "a.b": 1 }, { Persona: "A pirate." });
  await expect.poll(() => fromServer(visit, "/api/v1/profile")).toContain("config.temprature");
  await page.reload();
  await openSettings(visit);
  for (const [index, name] of ["temprature", "a.b", "Persona"].entries()) {
    const notice = settings(visit).getByRole("listitem").filter({ hasText: `“${name}”` });
    await notice.getByText("which Nexus does not know").waitFor();
    await notice.getByRole("button", { name: /^Remove my value/ }).click();
    if (index === 0) await visit.sign(PASSPHRASE, "Sign and remove", true);
    await notice.waitFor({ state: "detached" });
  }
  expect(JSON.parse(await fromServer(visit, "/api/v1/profile")).notices).toEqual([]);
  await visit.end();
});

test("M6: a person sets and unsets their time zone, and this browser's is offered", async () => {
  const { visit, key } = await owner({ ...DESKTOP, timezoneId: "Asia/Tokyo" });
  const { page } = visit;
  await openSettings(visit);
  const zone = page.getByRole("combobox", { name: "Time zone" });
  expect(await zone.inputValue()).toBe("Asia/Tokyo");
  await page.getByText("tells the time in UTC").waitFor();
  await page.getByRole("button", { name: "Save the time zone" }).click();
  await page.getByText("tells the time of Asia/Tokyo").waitFor();
  expect(await nexus.cli("identity", "time-zone", key)).toContain("Asia/Tokyo");
  await visit.expectAccessible();
  await visit.picture("time-zone");

  await zone.fill("Tokyo");
  await page.getByRole("button", { name: "Save the time zone" }).click();
  await page.getByText(/IANA time zone database, such as Europe\/Berlin/).waitFor();
  await zone.fill("Europe/Berlin");
  await page.getByRole("button", { name: "Save the time zone" }).click();
  await page.getByText("tells the time of Europe/Berlin. This browser is in Asia/Tokyo.").waitFor();
  await page.getByRole("button", { name: "Use UTC" }).click();
  await page.getByText("tells the time in UTC").waitFor();
  expect(await nexus.cli("identity", "time-zone", key)).toContain("UTC");
  await visit.end();
});

test("M6: /config alone opens the settings", async () => {
  const { visit } = await reader();
  await visit.ask("/config");
  await settings(visit).waitFor();
  await visit.page.getByText("Template version").waitFor();
  await visit.page.keyboard.press("Escape");
  expect(await visit.page.getByLabel("Your message").inputValue()).toBe("");
  expect(await visit.page.getByRole("article").count()).toBe(0);
  await visit.end();
});
