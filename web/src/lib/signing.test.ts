import { hexToBytes } from "@noble/hashes/utils.js";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { addressOf, checksummed, signMessage } from "./ethereum";
import { newNonce, prepare, signatureHeader, signInText } from "./signing";

/** What the page about formats shows, and what JavaScript wallets made. */
const page = readFileSync(join(import.meta.dirname, "../../../docs/signing.md"), "utf8");
const fixtures = "../../../crates/nexus-core/tests/fixtures/wallets/wallets.json";
const wallets = JSON.parse(readFileSync(join(import.meta.dirname, fixtures), "utf8")) as {
  messages: { key: string; address: string; text: string; signature: string }[];
};

const KEY = "0x0101010101010101010101010101010101010101010101010101010101010101";
const ADDRESS = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1";
const secret = (hex = KEY): Uint8Array => hexToBytes(hex.slice(2));

const terms = {
  address: ADDRESS,
  chainId: 1,
  created: 1_795_379_400,
  expires: 1_795_379_460,
  nonce: "AAECAwQFBgcICQoLDA0ODw",
};
const target = { authority: "nexus.example.org" };

/** The text blocks of the page, as they are. */
const blocks = [...page.matchAll(/```\w*\n([\s\S]*?)\n```/g)].map((match) => match[1]!);
const block = (start: string): string => blocks.find((one) => one.startsWith(start)) ?? "";

describe("addresses and signatures", () => {
  test("a key has the address that wallets show", () => {
    expect(addressOf(secret())).toBe(ADDRESS);
    for (const { key, address } of wallets.messages) expect(addressOf(secret(key))).toBe(address);
    expect(checksummed(ADDRESS.toLowerCase())).toBe(ADDRESS);
  });

  test("a message gets the signature that wallets make", () => {
    expect(wallets.messages.length).toBeGreaterThan(5);
    for (const { key, text, signature } of wallets.messages) {
      expect(signMessage(text, secret(key)), text.slice(0, 20)).toBe(signature);
    }
    expect(page).toContain(signMessage("Some data", secret()));
  });
});

describe("signing in", () => {
  test("the text of the challenge is signed with the address in it, and nothing else changed", () => {
    const expected = block("nexus.example.org wants you");
    const template = expected.replace(ADDRESS, "{address}");
    const text = signInText(template, ADDRESS.toLowerCase());
    expect(text).toBe(expected);
    expect(page).toContain(signMessage(text, secret()));
  });
});

describe("a signed request", () => {
  test("covers what the page about formats says, in its order", () => {
    const body = '{"temperature": 0.2}';
    const { text, headers } = prepare({ ...target, method: "POST", path: "/api/v1/config", body }, terms);
    expect(text).toBe(block('"@method": POST'));
    const Signature = signatureHeader(signMessage(text, secret()));
    const shown = block("POST /api/v1/config HTTP/1.1");
    for (const [name, value] of Object.entries({ ...headers, Signature })) {
      expect(shown.split("\n")).toContain(`${name}: ${value}`);
    }
    expect(Object.keys(headers)).toEqual(["Content-Type", "Content-Digest", "Signature-Input"]);
  });

  test("without a body says nothing about one", () => {
    const request = { ...target, method: "DELETE", path: "/api/v1/identity" };
    const { text, headers } = prepare(request, terms);
    const shown = block("DELETE /api/v1/identity HTTP/1.1").split("\n");
    expect(shown).toContain(`Signature-Input: ${headers["Signature-Input"]}`);
    expect(shown).toContain(`Signature: ${signatureHeader(signMessage(text, secret()))}`);
    expect(prepare({ ...request, body: "" }, terms)).toEqual({ text, headers });
  });

  test("covers a query when there is one, with its question mark", () => {
    const { text } = prepare({ ...target, method: "GET", path: "/a%20b?c=d&e" , body: "" }, terms);
    expect(text.split("\n").slice(2, 4)).toEqual(['"@path": /a%20b', '"@query": ?c=d&e']);
  });

  test("has a nonce of its own each time", () => {
    const made = new Set(Array.from({ length: 50 }, newNonce));
    expect(made.size).toBe(50);
    for (const nonce of made) expect(nonce).toMatch(/^[\w-]{22}$/);
  });
});
