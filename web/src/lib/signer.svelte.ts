// Signs, with a key of this browser or with a wallet. Whoever wants a signature says what it is for;
// the person sees that before anything is signed.

import { EXECUTE, loaded, serverTime, type Api, type Signature } from "./api";
import type { KeyBox, Opener } from "./keybox";
import { savedKey } from "./keys";
import { Refusal } from "./refusal";
import type { Outcome } from "./types";
import { account, signInWallet, wallets, type Wallet } from "./wallet";

/** What a signature is for. */
export interface Intent {
  title: string;
  /** What changes, in words: one line each. */
  words: string[];
  /** What the button says. */
  action: string;
  /** There is no way back: ask even when the key is unlocked. */
  final?: boolean;
  /** The same, for somebody at the machine. */
  terminal?: string;
}

/** A signature that is waited for. */
export interface Pending extends Intent {
  address: string;
  /** The key of this browser, when it has one. */
  box: KeyBox | undefined;
  /** Whether it is unlocked already. */
  open: boolean;
  wallets: Wallet[];
}

/** The person closed the question. Nothing was signed. */
export class Declined extends Error {}

interface Waiting {
  text: () => string;
  resolve: (signature: string) => void;
  reject: (failure: unknown) => void;
}

interface Opened {
  box: KeyBox;
  opener: Opener;
  once: boolean;
  timer: ReturnType<typeof setTimeout>;
}

const KEEP_OPEN = 10 * 60_000;
/** A wallet may let somebody think for a while; the server allows 300. */
const VALID_SECONDS = 240;
/** A label that is compared, and means nothing more. */
const CHAIN_ID = 1;

const loadBox = () => loaded(import("./keybox"));
const loadDialog = () => loaded(import("../components/SignDialog.svelte"));
const loadFormats = () => loaded(import("./signing"));

class Signer {
  pending = $state.raw<Pending | undefined>();
  /** Shows what is pending. It is there before anything is. */
  dialog = $state.raw<Awaited<ReturnType<typeof loadDialog>>["default"] | undefined>();
  #waiting: Waiting | undefined;
  #opened: Opened | undefined;
  /** The wallet that somebody signed in with on this page. */
  #wallet: Wallet | undefined;

  /** Begins to load what signing needs, so that it is there when it is wanted. */
  warm(): void {
    for (const part of [loadBox(), loadDialog()]) part.catch(() => undefined);
  }

  async signIn(address: string, template: string): Promise<{ message: string; signature: string }> {
    const { signInText } = await loadFormats();
    const message = signInText(template, address);
    const words = ["It costs nothing, and changes nothing."];
    const intent = { title: "Sign in", words, action: "Sign in" };
    return { message, signature: await this.#sign(address, intent, () => message) };
  }

  /** Executes a command with a fresh signature. */
  async execute(api: Api, address: string, body: string, intent: Intent): Promise<Outcome> {
    const { newNonce, prepare, signatureHeader } = await loadFormats();
    let headers: Signature["headers"] = {};
    const text = (): string => {
      const created = Math.floor(serverTime().getTime() / 1000);
      const terms = { address, chainId: CHAIN_ID, created, expires: created + VALID_SECONDS, nonce: newNonce() };
      const request = { method: "POST", authority: location.host, path: EXECUTE, body };
      const prepared = prepare(request, terms);
      headers = prepared.headers;
      return prepared.text;
    };
    const signature = await this.#sign(address, intent, text);
    return api.execute(body, { headers: { ...headers, Signature: signatureHeader(signature) } });
  }

  /** Opens the box of the pending signature, and signs. */
  async unlock(passphrase: string, keep: boolean): Promise<void> {
    const box = this.pending?.box;
    if (!box) return;
    const { unlock } = await loadBox();
    const opener = await unlock(box, passphrase);
    if (keep) this.keepOpen(box, opener);
    await this.useKey(box, opener);
  }

  /** Signs with a key that is unlocked. */
  async useOpened(): Promise<void> {
    if (!this.#opened) throw new Refusal("The 10 minutes are over, and your key is locked again. Close this, and try again.");
    await this.useKey(this.#opened.box, this.#opened.opener);
  }

  async useKey(box: KeyBox, opener: Opener): Promise<void> {
    const waiting = this.#waiting;
    if (!waiting) return;
    const { signWith } = await loadBox();
    this.#settle(waiting, await signWith(box, opener, waiting.text()));
  }

  async useWallet(wallet: Wallet): Promise<void> {
    const waiting = this.#waiting;
    const address = this.pending?.address;
    if (!waiting || !address) return;
    const shown = await account(wallet);
    if (shown.toLowerCase() !== address.toLowerCase()) {
      throw new Refusal(`Your wallet shows ${shown}, but this is about ${address}. Choose that account in your wallet.`);
    }
    this.#settle(waiting, await signInWallet(wallet, address, waiting.text()));
    this.#wallet = wallet;
  }

  /** Keeps a key unlocked for a while, or for the next signature only. Only what opens its box is
   * kept, and only in memory. */
  keepOpen(box: KeyBox, opener: Opener, once = false): void {
    this.lock();
    this.#opened = { box, opener, once, timer: setTimeout(() => this.lock(), KEEP_OPEN) };
  }

  /** Remembers which wallet somebody chose. */
  prefer(wallet: Wallet): void {
    this.#wallet = wallet;
  }

  lock(): void {
    clearTimeout(this.#opened?.timer);
    this.#opened = undefined;
  }

  decline(): void {
    const waiting = this.#waiting;
    this.pending = undefined;
    this.#waiting = undefined;
    waiting?.reject(new Declined("Nothing was signed."));
  }

  async #sign(address: string, intent: Intent, text: () => string): Promise<string> {
    const box = await savedKey(address);
    const opened = this.#opened;
    const same = opened?.box.address.toLowerCase() === address.toLowerCase();
    if (opened?.once) this.lock();
    if (same && opened && !intent.final) {
      const { signWith } = await loadBox();
      return signWith(opened.box, opened.opener, text());
    }
    this.dialog ??= (await loadDialog()).default;
    this.decline();
    return new Promise((resolve, reject) => {
      this.#waiting = { text, resolve, reject };
      const known = this.#wallet ? [this.#wallet] : wallets();
      this.pending = { ...intent, address, box, open: same, wallets: box ? [] : known };
    });
  }

  #settle(waiting: Waiting, signature: string): void {
    // Somebody may have closed the question while the key was at work.
    if (this.#waiting !== waiting) return;
    this.pending = undefined;
    this.#waiting = undefined;
    waiting.resolve(signature);
  }
}

export const signer = new Signer();
