import { flushSync, mount, unmount } from "svelte";
import { afterEach, expect, test, vi } from "vitest";
import { apiAddress } from "../lib/address";
import ApiAddress from "./ApiAddress.svelte";

let shown: Record<string, unknown> | undefined;

afterEach(() => {
  if (shown) void unmount(shown);
  shown = undefined;
  vi.unstubAllGlobals();
});

test("the address is that of the server, with the path of the protocol", () => {
  expect(apiAddress("https://nexus.example.org")).toBe("https://nexus.example.org/v1");
  expect(apiAddress("http://127.0.0.1:8000")).toBe("http://127.0.0.1:8000/v1");
});

test("the address is shown, and a button that the keyboard reaches copies it", async () => {
  const writeText = vi.fn(async (_: string) => {});
  vi.stubGlobal("location", { origin: "https://nexus.example.org" });
  vi.stubGlobal("navigator", { clipboard: { writeText } });
  shown = mount(ApiAddress, { target: document.body });
  flushSync();
  expect(document.querySelector("code")?.textContent).toBe("https://nexus.example.org/v1");
  const button = document.querySelector<HTMLButtonElement>("button");
  button?.focus();
  expect(document.activeElement).toBe(button);
  expect(button?.getAttribute("aria-label")).toBe("Copy the address");
  button?.click();
  await vi.waitFor(() => expect(document.querySelector("[aria-live]")?.textContent).toBe("Copied"));
  expect(writeText).toHaveBeenCalledWith("https://nexus.example.org/v1");
});
