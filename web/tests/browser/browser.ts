// A browser that is watched: nothing may be asked of anybody else, and nothing may go wrong quietly.

import { AxeBuilder } from "@axe-core/playwright";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Locator,
  type Page,
} from "playwright-core";
import { expect } from "vitest";

const pictures = join(import.meta.dirname, "../../test-results");
const FLAGS =
  "--headless --no-sandbox --disable-gpu --disable-quic --disable-background-networking --disable-component-update --disable-sync --no-first-run";

export function launch(): Promise<Browser> {
  mkdirSync(pictures, { recursive: true });
  return chromium.launch({ executablePath: executable(), args: FLAGS.split(" ") });
}

function executable(): string {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ["chromium", "google-chrome", "chromium-browser"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      // The next one, then.
    }
  }
  throw new Error("no Chromium was found: install it, or set CHROMIUM to its path");
}

export class Visit {
  private constructor(
    readonly page: Page,
    private readonly context: BrowserContext,
    private readonly origin: string,
    private readonly foreign: string[],
    private readonly complaints: string[],
  ) {}

  /** `prepare` runs before the page is opened. */
  static async begin(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
    prepare: (page: Page) => Promise<unknown> = async () => undefined,
  ): Promise<Visit> {
    const context = await browser.newContext({ locale: "en-GB", ...options });
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: url });
    const page = await context.newPage();
    const foreign: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== url) foreign.push(request.url());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("dialog", (dialog) => {
      complaints.push(`a dialog opened: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("console", (message) => {
      // The browser itself reports answers such as 401 here; the page shows them.
      const expected = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !expected) complaints.push(message.text());
    });
    await prepare(page);
    await page.goto(url);
    return new Visit(page, context, url, foreign, complaints);
  }

  /** Another tab of the same browser. */
  async tab(): Promise<Page> {
    const page = await this.context.newPage();
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    await page.goto(this.origin);
    return page;
  }

  async signIn(token: string, keep = false): Promise<void> {
    await this.page.getByRole("button", { name: "I have a token" }).click();
    await this.page.getByLabel("Your token").fill(token);
    if (keep) await this.page.getByLabel("Keep it on this computer").check();
    await this.page.getByRole("button", { name: "Enter" }).click();
    await this.page.getByLabel("Your message").waitFor();
  }

  /** Makes a key under this passphrase, and signs in with it. Gives its address. */
  async makeKey(passphrase: string, keep = false): Promise<string> {
    const { page } = this;
    await page.getByRole("button", { name: /^Make (my|another) key$/ }).click();
    await page.getByLabel("A passphrase for this browser").fill(passphrase);
    await page.getByLabel("The passphrase again").fill(passphrase);
    if (keep) await page.getByLabel("Keep my key unlocked").check();
    await page.getByRole("button", { name: "Make my key" }).click();
    await page.getByText("This is you now").waitFor();
    await this.expectAccessible();
    await this.picture("new-key");
    const address = await page.locator(".made code").innerText();
    await page.getByRole("button", { name: "Go on without a copy" }).click();
    await page.getByLabel("Your message").waitFor();
    return address;
  }

  /** Types the passphrase that a signature asks for. */
  async sign(passphrase: string, action: string, keep = false): Promise<void> {
    const dialog = this.page.getByRole("dialog").filter({ has: this.page.locator("#sign-title") });
    await dialog.getByLabel("Your passphrase").fill(passphrase);
    if (keep) await dialog.getByLabel("Keep my key unlocked").check();
    await dialog.getByRole("button", { name: action, exact: true }).click();
    await dialog.waitFor({ state: "detached" });
  }

  /** A setting's card. */
  card(name: string): Locator {
    return this.page.getByRole("article", { name });
  }

  async ask(question: string): Promise<void> {
    await this.page.getByLabel("Your message").fill(question);
    await this.page.getByRole("button", { name: "Send" }).click();
  }

  /** Asks, and waits until the answer is there. */
  async askAndWait(question: string): Promise<void> {
    const copies = this.page.getByRole("button", { name: "Copy this answer" });
    const before = await copies.count();
    await this.ask(question);
    await copies.nth(before).waitFor();
    await this.page.getByRole("button", { name: "Stop" }).waitFor({ state: "detached" });
  }

  async picture(name: string): Promise<void> {
    await this.page.mouse.move(2, 400);
    await this.page.screenshot({ path: join(pictures, `${name}.png`), animations: "disabled" });
  }

  async expectAccessible(): Promise<void> {
    const { violations } = await new AxeBuilder({ page: this.page }).analyze();
    const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    expect(bad.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(", ")}`)).toEqual([]);
  }

  async expectNoSidewaysScrolling(): Promise<void> {
    const wide = await this.page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(wide).toBeLessThanOrEqual(0);
  }

  /** Ends the visit, and tells what nobody asked for. */
  async end(): Promise<void> {
    await this.context.close();
    expect(this.foreign, `requests to others than ${this.origin}`).toEqual([]);
    expect(this.complaints).toEqual([]);
  }
}
