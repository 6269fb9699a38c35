// Wallets that a browser extension offers to pages: found by EIP-6963, spoken to by EIP-1193.

import { Refusal } from "./refusal";

export interface Provider {
  request(call: { method: string; params?: unknown[] }): Promise<unknown>;
}

export interface Wallet {
  name: string;
  provider: Provider;
}

const DECLINED = 4001;
const BUSY = -32002;

/** Every wallet there is. They answer at once, so nothing is waited for. */
export function wallets(): Wallet[] {
  const found: Wallet[] = [];
  const announced = (event: Event): void => {
    const detail = (event as CustomEvent<{ info?: { name?: unknown }; provider?: Provider }>).detail;
    const { info, provider } = detail ?? {};
    if (!provider || found.some((one) => one.provider === provider)) return;
    found.push({ name: typeof info?.name === "string" ? info.name.slice(0, 40) : "wallet", provider });
  };
  window.addEventListener("eip6963:announceProvider", announced);
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  window.removeEventListener("eip6963:announceProvider", announced);
  const injected = (window as { ethereum?: Provider }).ethereum;
  if (found.length === 0 && injected) found.push({ name: "wallet", provider: injected });
  return found;
}

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
