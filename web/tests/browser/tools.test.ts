// Choosing tools, with a real server that has them and one that is away.

import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, Visit } from "./browser.ts";
import { Nexus } from "./nexus.ts";
import { Provider } from "./provider.ts";

const SERVER = join(
  import.meta.dirname,
  "../../../.tools/mcp-server/node_modules/@modelcontextprotocol/server-everything/dist/index.js",
);
const PASSPHRASE = "correct horse battery";

let browser: Browser;
let provider: Provider;
let nexus: Nexus;

beforeAll(async () => {
  provider = await Provider.start();
  const template = `
tools:
  mcp:
    everything: { stdio: everything }
    away: { url: "http://127.0.0.1:9/mcp" }
`;
  const settings = `mcp_commands:\n  everything: [node, ${JSON.stringify(SERVER)}, stdio]\n`;
  [nexus, browser] = await Promise.all([Nexus.start(provider.url, "open", { template, settings }), launch()]);
});

afterAll(async () => {
  await browser?.close();
  await nexus?.stop();
  provider?.stop();
});

test("tools are boxes to tick, by server, with what they do, and what is away says so", async () => {
  const visit = await Visit.begin(browser, nexus.url, { viewport: { width: 1280, height: 900 } });
  const { page } = visit;
  await visit.makeKey(PASSPHRASE);
  await page.getByRole("button", { name: "Register my key" }).click();
  await visit.sign(PASSPHRASE, "Sign and register", true);
  await page.getByText("answers you").waitFor();
  await page.getByRole("button", { name: /My settings/ }).click();
  await page.getByText("Template version").waitFor();

  const card = visit.card("Tools it may use");
  await card.getByRole("button", { name: "Change" }).click();
  await card.getByText("cannot be reached now: nothing listens at its address").waitFor();
  const everything = card.getByRole("group", { name: "everything" });
  const all = everything.getByRole("checkbox", { name: "All of them" });
  expect(await all.isChecked()).toBe(true);
  const echo = everything.getByRole("checkbox", { name: "echo" });
  expect(await echo.isChecked()).toBe(true);
  expect(await echo.isDisabled()).toBe(true);
  await expect.poll(() => echo.evaluate((box) => {
    return document.getElementById(box.getAttribute("aria-describedby") ?? "")?.textContent ?? "";
  })).toContain("Echoes back the input");
  expect(await card.getByRole("button", { name: "Save" }).isDisabled()).toBe(true);
  await visit.expectAccessible();
  await visit.picture("tools-all");

  // Only with the keyboard: turn all off, and two on.
  await all.focus();
  await page.keyboard.press("Space");
  expect(await echo.isDisabled()).toBe(false);
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.parentElement?.textContent?.trim())).toBe("echo");
  await page.keyboard.press("Space");
  const time = card.getByRole("group", { name: "Built in" }).getByRole("checkbox", { name: "current_time" });
  await time.focus();
  await page.keyboard.press("Space");
  await card.getByRole("group", { name: /^away/ }).getByRole("checkbox", { name: "All of them" }).uncheck();
  await card.getByText("everything, away → current_time, everything.echo").waitFor();
  await visit.expectAccessible();
  await visit.picture("tools");
  await card.getByRole("button", { name: "Save" }).click();
  await card.getByText(/Saved\./).waitFor();
  await card.getByText("from you").waitFor();
  await card.getByText("current_time, everything.echo", { exact: true }).waitFor();

  await page.setViewportSize({ width: 360, height: 740 });
  await card.getByRole("button", { name: "Change" }).click();
  await everything.getByRole("checkbox", { name: "echo" }).waitFor();
  await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("type"))).toBe("checkbox");
  await visit.expectNoSidewaysScrolling();
  await visit.picture("tools-phone");
  await card.getByRole("button", { name: /^Back to/ }).click();
  await card.getByText(/Saved\./).waitFor();
  await visit.end();
});

test("a server of tools that is asked in vain is no reason to wait", async () => {
  const { token } = await nexus.member();
  const visit = await Visit.begin(browser, nexus.url);
  const { page } = visit;
  await page.route("**/api/v1/tools", (route) => route.fulfill({ status: 500, body: "{}" }));
  await visit.signIn(token);
  await page.getByRole("button", { name: /My settings/ }).click();
  const card = visit.card("Tools it may use");
  await card.getByRole("button", { name: "Change" }).click();
  await card.getByText("Which tools there are could not be loaded.").waitFor();
  expect(await card.getByRole("checkbox", { name: "everything" }).isChecked()).toBe(true);
  await visit.end();
});
