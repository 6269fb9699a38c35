// Wallets that a browser extension offers to pages: found by EIP-6963, spoken to by EIP-1193.

import { Refusal } from "./refusal";

export interface Provider {
  request(call: { method: string; params?: unknown[] }): Promise<unknown>;
}

export interface Wallet {
  /** Its own, whatever the wallet says of itself. */
  id: string;
  /** What people read: different for each. */
  name: string;
  provider: Provider;
}

const DECLINED = 4001;
const BUSY = -32002;
/** Nobody has more. Any script of the page may announce. */
const MOST = 8;
const LONGEST_NAME = 32;

interface Announced {
  name: string;
  /** Which program it is, as far as it says. */
  rdns: string;
  provider: Provider;
}

/** Every wallet there is. They answer at once, so nothing is waited for. */
export function wallets(): Wallet[] {
  const found: Announced[] = [];
  const announced = (event: Event): void => {
    const one = found.length < MOST ? read((event as CustomEvent<unknown>).detail) : undefined;
    if (one && !found.some(({ provider }) => provider === one.provider)) found.push(one);
  };
  window.addEventListener("eip6963:announceProvider", announced);
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  window.removeEventListener("eip6963:announceProvider", announced);
  const injected = (window as { ethereum?: Provider }).ethereum;
  if (found.length === 0 && typeof injected?.request === "function") {
    found.push({ name: "", rdns: "", provider: injected });
  }
  return named(found);
}

/** What an announcement says. It is foreign: it may hold anything, and reading it may throw. */
function read(detail: unknown): Announced | undefined {
  try {
    const { info, provider } = (detail ?? {}) as { info?: Record<string, unknown>; provider?: Provider };
    if (typeof provider?.request !== "function") return undefined;
    return { name: words(info?.name), rdns: words(info?.rdns), provider };
  } catch {
    return undefined;
  }
}

/** Plain letters on one line, whatever stands in it. */
function words(text: unknown): string {
  if (typeof text !== "string") return "";
  const plain = text.slice(0, 500).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "").replace(/\s+/g, " ").trim();
  return [...plain].slice(0, LONGEST_NAME).join("");
}

/** Wallets of one name are told apart by the program that they are, or else by a number. */
function named(found: Announced[]): Wallet[] {
  const first = found.map(({ name }) => name || "my wallet");
  const longer = first.map((name, at) => {
    const { rdns } = found[at]!;
    return rdns && isTwice(first, name) ? `${name} (${rdns})` : name;
  });
  return found.map(({ provider }, at) => {
    const name = longer[at]!;
    const before = longer.slice(0, at).filter((one) => one === name).length;
    return { id: String(at), name: isTwice(longer, name) ? `${name}, ${before + 1}` : name, provider };
  });
}

const isTwice = (names: string[], name: string): boolean => names.filter((one) => one === name).length > 1;

/** The address that the wallet gives to this page. */
export async function account({ provider }: Wallet): Promise<string> {
  const accounts = await ask(provider, "eth_requestAccounts");
  const [first] = Array.isArray(accounts) ? (accounts as unknown[]) : [];
  if (typeof first !== "string" || !/^0x[0-9a-f]{40}$/i.test(first)) {
    throw new Refusal("The wallet gave no address. Unlock it, then try again.");
  }
  return first;
}

/** The text, signed by the key of `address` in the wallet. */
export async function signInWallet({ provider }: Wallet, address: string, text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const hex = `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const signature = await ask(provider, "personal_sign", [hex, address]);
  if (typeof signature !== "string" || !/^0x[0-9a-f]{130}$/i.test(signature)) {
    throw new Refusal("What the wallet made is not a signature of a key. Wallets that are contracts cannot sign here.");
  }
  return signature.toLowerCase();
}

async function ask(provider: Provider, method: string, params?: unknown[]): Promise<unknown> {
  try {
    return await provider.request(params ? { method, params } : { method });
  } catch (error) {
    const code = (error as { code?: unknown } | undefined)?.code;
    if (code === DECLINED) throw new Refusal("You declined in your wallet. Nothing was signed.");
    if (code === BUSY) throw new Refusal("Your wallet already waits for you: open it and answer there.");
    throw new Refusal("The wallet did not answer as expected. Unlock it, then try again.");
  }
}
