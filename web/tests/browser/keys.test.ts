// Signing in with a key, and everything that a key signs.

import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addressOf, newSecret, signMessage } from "../../src/lib/ethereum.ts";
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
const PASSPHRASE = "correct horse battery";

/** Everything that a script of this page could ever read from storage. */
async function everythingStored(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const hex = (value: unknown): unknown => {
      const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : value;
      if (bytes instanceof Uint8Array) return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      if (Array.isArray(value)) return value.map(hex);
      if (value && typeof value === "object") {
        return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, hex(one)]));
      }
      return value;
    };
    const found: unknown[] = [{ ...localStorage }, { ...sessionStorage }, document.cookie];
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open(name!);
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error!);
      });
      for (const store of database.objectStoreNames) {
        const request = database.transaction(store).objectStore(store).getAll();
        await new Promise((resolve) => (request.onsuccess = resolve));
        found.push(hex(request.result));
      }
      database.close();
    }
    return JSON.stringify(found);
  });
}

async function openSettings({ page }: Visit): Promise<void> {
  await page.getByRole("button", { name: /My settings/ }).click();
  await page.getByText("Template version").waitFor();
}

/** Registers the key that is signed in. */
async function register(visit: Visit, passphrase?: string): Promise<void> {
  await visit.page.getByRole("button", { name: "Register my key" }).click();
  if (passphrase) await visit.sign(passphrase, "Sign and register");
  await visit.page.getByText("answers you").waitFor();
}

test("a new key signs in, registers, changes what its assistant is, and signs out everywhere", async () => {
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await page.getByRole("button", { name: "Make my key" }).click();
  await page.getByLabel("A passphrase for this browser").fill("short");
  await page.getByText("5 more characters").waitFor();
  await visit.expectAccessible();
  await visit.picture("make-key");
  await page.getByRole("button", { name: "Back" }).click();

  const address = await visit.makeKey(PASSPHRASE);
  await page.getByText("Welcome, visitor.").waitFor();
  await visit.expectAccessible();
  await visit.picture("visitor");
  await page.getByRole("button", { name: "Register my key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Your passphrase").waitFor();
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("sign-passphrase");
  await page.keyboard.type("wrong horse battery");
  await dialog.getByRole("button", { name: "Sign and register" }).click();
  await dialog.getByText("This passphrase does not open the key.").waitFor();
  await visit.expectAccessible();
  await visit.picture("sign");
  await visit.sign(PASSPHRASE, "Sign and register");
  await page.getByText("answers you").waitFor();

  await openSettings(visit);
  const temperature = visit.card("Temperature");
  await temperature.getByRole("button", { name: "Change" }).click();
  // What is wrong is said at the field, before anything is signed.
  await temperature.getByLabel("Temperature", { exact: true }).fill("9");
  await temperature.getByText("9 is too large.").waitFor();
  await visit.expectAccessible();
  await temperature.getByLabel("Temperature", { exact: true }).fill("0.4");
  await temperature.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog", { name: "Change a setting" }).getByText(/Temperature: 0\.\d → 0\.4/).waitFor();
  await visit.sign(PASSPHRASE, "Sign and save", true);
  await temperature.getByText(/Saved\. Temperature: 0\.\d → 0\.4/).waitFor();
  await temperature.getByRole("button", { name: "Change" }).click();
  await temperature.getByLabel("Temperature", { exact: true }).fill("0.3");
  await visit.picture("change");
  await temperature.getByRole("button", { name: "Save" }).click();
  await temperature.getByText(/Saved\. Temperature: 0\.\d → 0\.3/).waitFor();
  await temperature.getByText("from you").waitFor();

  const persona = visit.card("Persona");
  await persona.getByRole("button", { name: "Change" }).click();
  await persona.getByRole("textbox").fill("You are a lighthouse keeper.");
  await persona.getByRole("button", { name: "Save" }).click();
  await persona.getByText("from you").waitFor();
  await page.keyboard.press("Escape");

  await page.reload();
  await page.getByText(/at temperature 0\.3/).waitFor();
  expect(await page.evaluate(() => document.cookie)).toBe("");
  const profile = await nexus.cli("config", "explain", address).catch((error: unknown) => String(error));
  expect(profile).toContain("0.3");
  await visit.askAndWait("Who keeps the light?");

  await openSettings(visit);
  await page.getByRole("button", { name: "Make an API key" }).click();
  await page.getByLabel("What is it for?").fill("My editor");
  await visit.expectAccessible();
  await page.getByRole("button", { name: "Make the key" }).click();
  await page.getByRole("dialog", { name: "Make an API key" }).getByText("“My editor”, for 90 days").waitFor();
  await visit.sign(PASSPHRASE, "Sign and make it", true);
  const secret = await page.locator("code", { hasText: /^nxk_/ }).innerText();
  await page.getByText("It is not shown again").waitFor();
  await page.locator("code", { hasText: /^nxk_/ }).scrollIntoViewIfNeeded();
  await visit.expectAccessible();
  await visit.picture("api-key");
  const status = async (): Promise<number> => {
    const headers = { Authorization: `Bearer ${secret}` };
    return (await fetch(`${nexus.url}/api/v1/models`, { headers })).status;
  };
  expect(await status()).toBe(200);
  await page.getByRole("button", { name: "Copy the address" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("Copied", { exact: true }).waitFor({ state: "attached" });
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toBe(`${nexus.url}/v1`);
  const models = await fetch(`${copied}/models`, { headers: { Authorization: `Bearer ${secret}` } });
  expect(models.status).toBe(200);
  await page.getByRole("button", { name: "I have copied it" }).click();
  expect(await page.getByText(secret).count()).toBe(0);
  await page.getByRole("button", { name: "Revoke My editor" }).click();
  await page.getByRole("button", { name: "Really revoke My editor" }).click();
  await page.getByText("My editor").waitFor({ state: "detached" });
  expect(await status()).toBe(401);

  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save everything about me" }).click();
  const file = await (await saving).path();
  expect(await readFile(file, "utf8")).toContain("Who keeps the light?");

  await page.getByText("This one").waitFor();
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await page.getByText("You are signed out everywhere.").waitFor();
  await visit.picture("signed-out");
  await page.reload();
  await page.getByRole("button", { name: /Sign in/ }).waitFor();
  expect(await page.getByLabel("Your message").count()).toBe(0);
  await visit.end();
});

test("the private key is nowhere in clear, and its file and passphrase bring it back elsewhere", async () => {
  const { key, file } = await nexus.member();
  const secret = (await readFile(file!, "utf8")).trim().replace("0x", "");
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await page.getByRole("button", { name: "I have a key" }).click();
  await page.getByLabel("Take it from a file").setInputFiles(file!);
  await page.getByLabel("A passphrase for this browser").fill(PASSPHRASE);
  await page.getByLabel("The passphrase again").fill(PASSPHRASE);
  await page.getByRole("button", { name: "Use this key" }).click();
  await page.getByText("answers you").waitFor();

  const stored = (await everythingStored(page)).toLowerCase();
  expect(stored).toContain(key.toLowerCase());
  expect(stored).toContain("ciphertext");
  const base64 = Buffer.from(secret, "hex").toString("base64").toLowerCase();
  for (const clear of [secret, base64, PASSPHRASE, "nxs_", "nxb_"]) expect(stored).not.toContain(clear.toLowerCase());
  expect(await page.content()).not.toContain(secret);

  await openSettings(visit);
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save a copy of my key" }).click();
  const copy = join(tmpdir(), `nexus-copy-${process.pid}.json`);
  await (await saving).saveAs(copy);
  expect(await readFile(copy, "utf8")).not.toContain(secret);

  const elsewhere = await Visit.begin(browser, nexus.url, DESKTOP);
  await elsewhere.page.getByRole("button", { name: "I have a key" }).click();
  await elsewhere.page.getByLabel("Take it from a file").setInputFiles(copy);
  await elsewhere.page.getByLabel("Passphrase of the file").fill(PASSPHRASE);
  await elsewhere.page.getByRole("button", { name: "Use this key" }).click();
  await elsewhere.page.getByText("answers you").waitFor();

  // From there, the first browser is signed out, and is told so.
  await openSettings(elsewhere);
  await elsewhere.page.getByRole("button", { name: "Sign out Chrome on Linux" }).click();
  await expect.poll(() => elsewhere.page.getByText("Chrome on Linux").count()).toBe(1);
  await page.keyboard.press("Escape");
  await visit.ask("Am I still here?");
  await page.getByText("You are not signed in any more.").waitFor();
  await visit.end();
  await elsewhere.end();
  await rm(copy);
});

test("a second key sees nothing of the first, not even in the same browser", async () => {
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  const first = await visit.makeKey(PASSPHRASE, true);
  await register(visit);
  await visit.askAndWait("The first one's secret is 42.");
  const cookies = await page.context().cookies();
  expect(cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite }))).toEqual([
    { name: "nexus", httpOnly: true, sameSite: "Strict" },
  ]);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Make another key" }).waitFor();
  expect(await page.context().cookies()).toEqual([]);
  // The server has forgotten it too, not only this browser.
  const headers = { Cookie: `nexus=${cookies[0]!.value}` };
  expect((await fetch(`${nexus.url}/api/v1/auth/session`, { headers })).status).toBe(401);
  await page.reload();

  const second = await visit.makeKey(PASSPHRASE, true);
  expect(second).not.toBe(first);
  await register(visit);
  expect(await page.getByText("secret is 42").count()).toBe(0);
  await openSettings(visit);
  expect(await page.getByText("from you", { exact: true }).count()).toBe(0);
  expect(await page.getByText(first).count()).toBe(0);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Sign out" }).click();

  // Each key is offered again, and one can be removed from this browser.
  await page.getByRole("button", { name: /^Sign in/ }).nth(1).waitFor();
  await visit.expectAccessible();
  await visit.picture("saved-keys");
  const short = `${first.slice(0, 6)}…${first.slice(-4)}`;
  await page.getByRole("button", { name: `Remove ${short} from this browser` }).click();
  await page.getByText("Without a copy of it").waitFor();
  await page.getByRole("button", { name: `Really remove ${short}` }).click();
  await expect.poll(() => page.getByRole("button", { name: /^Sign in/ }).count()).toBe(1);
  await visit.end();
});

test.each([
  { announced: false, name: "Use my wallet" },
  { announced: true, name: "Use Test Fox" },
])("a wallet signs in and signs a change, and may decline: $name", async ({ announced, name }) => {
  const secret = newSecret();
  const address = addressOf(secret);
  let declines = false;
  const asked: string[] = [];
  const visit = await Visit.begin(browser, nexus.url, DESKTOP, async (page) => {
    await page.exposeFunction("walletRequest", (method: string, params: string[]) => {
      asked.push(method);
      if (method === "eth_requestAccounts") return { result: [address.toLowerCase()] };
      if (method !== "personal_sign" || params[1]?.toLowerCase() !== address.toLowerCase()) return { code: -32601 };
      if (declines) return { code: 4001 };
      return { result: signMessage(Buffer.from(params[0]!.slice(2), "hex").toString("utf8"), secret) };
    });
    await page.addInitScript((announce) => {
      type Answer = { result?: unknown; code?: number };
      const send = (window as unknown as { walletRequest(method: string, params: unknown): Promise<Answer> }).walletRequest;
      const request = async ({ method, params }: { method: string; params?: unknown[] }): Promise<unknown> => {
        const { result, code } = await send(method, params ?? []);
        if (code) throw Object.assign(new Error("no"), { code });
        return result;
      };
      const detail = { info: { name: "Test Fox" }, provider: { request } };
      if (!announce) Object.assign(window, { ethereum: detail.provider });
      else {
        window.addEventListener("eip6963:requestProvider", () => {
          window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
        });
      }
    }, announced);
  });
  const { page } = visit;
  await page.getByRole("button", { name }).click();
  await page.getByText("Welcome, visitor.").waitFor();
  await register(visit);

  await openSettings(visit);
  const temperature = visit.card("Temperature");
  await temperature.getByRole("button", { name: "Change" }).click();
  await temperature.getByLabel("Temperature", { exact: true }).fill("0.4");
  declines = true;
  await temperature.getByRole("button", { name: "Save" }).click();
  const dialog = page.getByRole("dialog").filter({ hasText: "Change a setting" });
  await dialog.getByText("You declined in your wallet.").waitFor();
  await visit.expectAccessible();
  declines = false;
  await dialog.getByRole("button", { name: "Try again" }).click();
  await temperature.getByText("from you", { exact: true }).waitFor();
  expect(asked.filter((method) => method === "personal_sign").length).toBe(4);
  const model = visit.card("Model");
  await model.getByRole("button", { name: "Change" }).click();
  await model.getByLabel("Model", { exact: true }).selectOption("local");
  await model.getByText("Model: echo → local").first().waitFor();
  await model.getByRole("button", { name: "Save" }).click();
  await model.getByText("from you", { exact: true }).waitFor();
  await visit.end();
});

test("without the key of its address, a token can read, and is told what changes need", async () => {
  const { key, token, file } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.signIn(token);
  await openSettings(visit);
  const temperature = visit.card("Temperature");
  await temperature.getByRole("button", { name: "Change" }).click();
  await temperature.getByLabel("Temperature, a slider").fill("0.2");
  await temperature.getByRole("button", { name: "Save" }).click();
  const dialog = page.getByRole("dialog").filter({ hasText: "Change a setting" });
  await dialog.getByText("the key of this address is not in this browser").waitFor();
  await visit.expectAccessible();
  await visit.picture("no-key");
  await dialog.getByText("I am at the machine where Nexus runs").click();
  await dialog.getByText(new RegExp(`nexus config set ${key} temperature 0.2`, "i")).waitFor();

  await dialog.getByLabel("Your key").fill("11".repeat(32));
  await dialog.getByLabel("A passphrase for this browser").fill(PASSPHRASE);
  await dialog.getByLabel("The passphrase again").fill(PASSPHRASE);
  await dialog.getByRole("button", { name: "Use this key" }).click();
  await dialog.getByText("This is the key of").waitFor();
  expect(await everythingStored(page)).not.toContain("ciphertext");
  await dialog.getByLabel("Take it from a file").setInputFiles(file!);
  await dialog.getByRole("button", { name: "Use this key" }).click();
  await temperature.getByText("from you").waitFor();

  await temperature.getByRole("button", { name: "Change" }).click();
  await temperature.getByRole("button", { name: /^Back to/ }).click();
  await visit.sign(PASSPHRASE, "Sign and save");
  await temperature.getByText("from this server's defaults", { exact: true }).waitFor();
  await visit.end();
});

test("a clock that is wrong by hours keeps nobody out", async () => {
  const visit = await Visit.begin(browser, nexus.url, DESKTOP, async (page) => {
    await page.addInitScript(() => {
      const right = Date.now.bind(Date);
      Date.now = () => right() - 5 * 3_600_000;
    });
  });
  await visit.makeKey(PASSPHRASE, true);
  await register(visit);
  await visit.end();
});

test("a slash offers commands, and what they answer stays between the person and Nexus", async () => {
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.makeKey(PASSPHRASE, true);
  await register(visit);
  const message = page.getByLabel("Your message");
  await message.fill("/");
  await page.getByRole("option").first().waitFor();
  await visit.expectAccessible();
  await visit.picture("commands");
  await message.fill("/config.s");
  await page.keyboard.press("Tab");
  expect(await message.inputValue()).toBe("/config.set ");
  await page.getByText("/config.set FIELD VALUE").waitFor();
  await page.keyboard.type("temperature 0.1");
  await page.keyboard.press("Enter");
  await page.getByText("config.temperature is set by identity now.").first().waitFor();

  await visit.ask("/models");
  await page.getByRole("table").getByText("echo").first().waitFor();
  await visit.ask("/config.set temperature warm");
  await page.getByRole("article").last().getByRole("strong").waitFor();
  await visit.ask("/dance");
  await page.getByRole("article").getByText("There is no command").waitFor();
  await visit.ask("/key.create laptop chat");
  await page.getByText(/^nxk_/).waitFor();
  await visit.expectAccessible();
  await visit.picture("command-notes");

  // A path is a message, and only messages are stored.
  await visit.askAndWait("/etc/hosts is what?");
  await page.reload();
  await page.getByText("/etc/hosts is what?").first().waitFor();
  expect(await page.getByRole("log").getByRole("article").count()).toBe(1);

  // What cannot be undone is asked about even in a line.
  await visit.ask("/identity.delete");
  await page.getByRole("dialog").getByText("There is no way back.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("article").getByText("You closed the question.").waitFor();
  await visit.end();
});

test("an identity is erased after it was typed and signed, and nothing of it is left", async () => {
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.makeKey(PASSPHRASE, true);
  await register(visit);
  await visit.askAndWait("Remember me.");
  await openSettings(visit);
  await page.getByRole("button", { name: "Erase my identity" }).click();
  const erase = page.getByRole("button", { name: "Erase everything" });
  expect(await erase.isDisabled()).toBe(true);
  await erase.scrollIntoViewIfNeeded();
  await visit.expectAccessible();
  await visit.picture("erase");
  await page.getByLabel(/^Type erase/).fill("erase");
  await erase.click();
  await page.getByRole("button", { name: "Sign and erase" }).click();
  await page.getByText(/^Erased: your identity, 2 messages/).waitFor();

  await page.getByRole("button", { name: /^Sign in/ }).first().click();
  await visit.sign(PASSPHRASE, "Sign in");
  await page.getByText("Welcome, visitor.").waitFor();
  expect(await page.getByText("Remember me.").count()).toBe(0);
  await visit.end();
});

test("a prompt that looks like code stays text, wherever it is shown", async () => {
  const payload = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>${7*7}`x`";
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  await visit.makeKey(PASSPHRASE, true);
  await register(visit);
  await openSettings(visit);
  const persona = visit.card("Persona");
  await persona.getByRole("button", { name: "Change" }).click();
  await persona.getByRole("textbox").fill(payload);
  await persona.getByRole("button", { name: "Save" }).click();
  await persona.getByText("from you").waitFor();
  await persona.getByText("Read the text").click();
  await persona.getByText(payload).waitFor();
  await page.keyboard.press("Escape");
  await visit.ask(`/prompt.set persona ${payload}`);
  await visit.ask("/prompt.get");
  await page.getByRole("table").waitFor();
  expect(await page.locator("img, iframe, [onerror]").count()).toBe(0);
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
  await visit.end();
});

test("whoever has to wait, or may not register, is told so in words", async () => {
  for (const [registration, said] of [
    ["approval", "waits for an administrator"],
    ["closed", "Registration is closed here"],
  ] as const) {
    const other = await Nexus.start(provider.url, registration);
    const visit = await Visit.begin(browser, other.url, PHONE);
    try {
      await visit.makeKey(PASSPHRASE, true);
      await visit.page.getByRole("button", { name: "Register my key" }).click();
      await visit.page.getByText(said).first().waitFor();
      await visit.expectAccessible();
      await visit.expectNoSidewaysScrolling();
      await visit.picture(registration);
    } finally {
      await visit.end();
      await other.stop();
    }
  }
});

test("nothing jumps while the page is loaded", async () => {
  const visit = await Visit.begin(browser, nexus.url, DESKTOP);
  const { page } = visit;
  const shift = (): Promise<number> =>
    page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          new PerformanceObserver((list) => {
            const entries = list.getEntries() as (PerformanceEntry & { value?: number })[];
            resolve(entries.reduce((sum, { value }) => sum + (value ?? 0), 0));
          }).observe({ type: "layout-shift", buffered: true });
          // Without any shift, the observer is never called.
          requestAnimationFrame(() => requestAnimationFrame(() => resolve(0)));
        }),
    );
  await page.getByRole("button", { name: "Make my key" }).waitFor();
  expect(await shift()).toBeLessThan(0.01);
  await visit.makeKey(PASSPHRASE);
  await page.reload();
  await page.getByRole("button", { name: "Register my key" }).waitFor();
  expect(await shift()).toBeLessThan(0.01);
  await register(visit, PASSPHRASE);
  await visit.askAndWait("Stay where you are.");
  await page.reload();
  await page.getByText("a mirror and not an AI").waitFor();
  expect(await shift()).toBeLessThan(0.01);
  await visit.end();
});

test("all of it fits a phone, and the dark", async () => {
  for (const [name, options] of [
    ["phone", PHONE],
    ["dark", { ...DESKTOP, colorScheme: "dark" as const }],
  ] as const) {
    const visit = await Visit.begin(browser, nexus.url, options);
    const { page } = visit;
    await visit.picture(`${name}-sign-in`);
    await visit.makeKey(PASSPHRASE);
    await visit.expectNoSidewaysScrolling();
    await visit.picture(`${name}-visitor`);
    await page.getByRole("button", { name: "Register my key" }).click();
    await page.getByRole("dialog").getByLabel("Your passphrase").waitFor();
    await visit.expectNoSidewaysScrolling();
    await visit.picture(`${name}-sign`);
    await visit.sign(PASSPHRASE, "Sign and register");
    await page.getByText("answers you").waitFor();
    await openSettings(visit);
    await visit.card("Temperature").getByRole("button", { name: "Change" }).click();
    await visit.expectNoSidewaysScrolling();
    await visit.expectAccessible();
    await visit.picture(`${name}-change`);
    await page.getByRole("button", { name: "Make an API key" }).click();
    await page.getByLabel("What is it for?").scrollIntoViewIfNeeded();
    await visit.expectNoSidewaysScrolling();
    await visit.expectAccessible();
    await visit.picture(`${name}-api-keys`);
    // The first closes the form, the second the settings.
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await page.getByLabel("Your message").fill("/");
    await page.getByRole("option").first().waitFor();
    await visit.expectNoSidewaysScrolling();
    await visit.picture(`${name}-commands`);
    await visit.end();
  }
});
