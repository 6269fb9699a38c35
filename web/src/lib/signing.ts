// The two texts that a key signs: one to sign in, one for a request that must be meant. The formats
// are in `docs/signing.md`.

import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { checksummed } from "./ethereum";

export interface RequestToSign {
  method: string;
  /** Host and port, in lower case, without the port that the scheme has anyway. */
  authority: string;
  /** As it is sent, with the query if there is one. */
  path: string;
  /** JSON, or nothing. */
  body?: string;
}

export interface Terms {
  address: string;
  chainId: number;
  /** Seconds since 1970. */
  created: number;
  expires: number;
  nonce: string;
}

/** A request whose signature is still to be made: the text, and the headers but the last one. */
export interface Unsigned {
  text: string;
  headers: Record<string, string>;
}

export const JSON_TYPE = "application/json";

/** The text of a challenge for this address. */
export function signInText(template: string, address: string): string {
  return template.replace("{address}", checksummed(address));
}

export function prepare(request: RequestToSign, terms: Terms): Unsigned {
  const { method, authority, path, body } = request;
  const [bare, query] = split(path);
  const covered: [string, string][] = [
    ["@method", method],
    ["@authority", authority],
    ["@path", bare],
  ];
  if (query !== undefined) covered.push(["@query", query]);
  const headers: Record<string, string> = {};
  // An empty body is no body.
  if (body) {
    headers["Content-Type"] = JSON_TYPE;
    headers["Content-Digest"] = `sha-256=:${base64(sha256(utf8ToBytes(body)))}:`;
    covered.push(["content-type", JSON_TYPE], ["content-digest", headers["Content-Digest"]]);
  }
  const names = covered.map(([name]) => `"${name}"`).join(" ");
  const { address, chainId, created, expires, nonce } = terms;
  const keyid = `erc8128:${chainId}:${address.toLowerCase()}`;
  const input = `(${names});created=${created};expires=${expires};nonce="${nonce}";keyid="${keyid}"`;
  headers["Signature-Input"] = `eth=${input}`;
  const lines = covered.map(([name, value]) => `"${name}": ${value}`);
  return { text: [...lines, `"@signature-params": ${input}`].join("\n"), headers };
}

/** The last header: the signature, from hexadecimal digits. */
export function signatureHeader(signature: string): string {
  return `eth=:${base64(hexToBytes(signature.replace(/^0x/, "")))}:`;
}

/** 16 random bytes in base64url. */
export function newNonce(): string {
  const text = base64(crypto.getRandomValues(new Uint8Array(16)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function split(path: string): [string, string | undefined] {
  const at = path.indexOf("?");
  return at < 0 ? [path, undefined] : [path.slice(0, at), path.slice(at)];
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
