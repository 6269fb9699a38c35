import { afterEach, describe, expect, test } from "vitest";
import { wallets } from "./wallet";

const provider = (): { request: () => Promise<unknown> } => ({ request: async () => [] });
let stop: () => void = () => undefined;

/** Whoever listens for pages that ask. */
function announce(details: unknown[]): void {
  const answer = (): void => details.forEach((detail) => void dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail })));
  addEventListener("eip6963:requestProvider", answer);
  stop = () => removeEventListener("eip6963:requestProvider", answer);
}

afterEach(() => stop());

describe("P8: wallets", () => {
  test("of one name are told apart, by what they are or by a number", () => {
    announce([
      { info: { name: "Fox", rdns: "io.fox" }, provider: provider() },
      { info: { name: "Fox", rdns: "io.fox.flask" }, provider: provider() },
      { info: { name: "Same", rdns: "x" }, provider: provider() },
      { info: { name: "Same", rdns: "x" }, provider: provider() },
      { info: { name: "Other", rdns: "y" }, provider: provider() },
    ]);
    const found = wallets();
    expect(found.map(({ name }) => name)).toEqual(["Fox (io.fox)", "Fox (io.fox.flask)", "Same (x), 1", "Same (x), 2", "Other"]);
    expect(new Set(found.map(({ id }) => id)).size).toBe(5);
  });

  test("that announce themselves again are one", () => {
    const one = { info: { name: "Fox", uuid: "1" }, provider: provider() };
    announce([one, one, { ...one }]);
    expect(wallets().map(({ name }) => name)).toEqual(["Fox"]);
  });

  test("that say nonsense break nothing", () => {
    const trap = { get provider(): never { throw new Error("trap"); } };
    announce([
      undefined,
      null,
      7,
      {},
      trap,
      { info: null, provider: provider() },
      { info: { name: "\u202eevil\u0000\n  name".repeat(9999) }, provider: provider() },
      { info: { name: { toString: () => "x" } }, provider: {} },
    ]);
    const names = wallets().map(({ name }) => name);
    expect(names.length).toBe(2);
    expect(names[0]).toBe("my wallet");
    expect(names[1]).toMatch(/^evil name[a-z ]*$/);
    expect(names[1]!.length).toBeLessThanOrEqual(32);
  });

  test("that announce a thousand times do not fill the page", () => {
    announce(Array.from({ length: 1000 }, (_, at) => ({ info: { name: `W${at}` }, provider: provider() })));
    expect(wallets().length).toBe(8);
  });
});
