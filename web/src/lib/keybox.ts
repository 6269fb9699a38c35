// A key under a passphrase. Outside of the moment in which it signs, a key is only here, encrypted.
// Loaded only when somebody signs.

import { scryptAsync } from "@noble/hashes/scrypt.js";
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { addressOf, signMessage } from "./ethereum";
import { Refusal, WrongPassphrase } from "./refusal";

/** What is kept: in this browser, and in the copy that its owner saves. All bytes are hexadecimal. */
export interface KeyBox {
  format: "nexus-key";
  version: 1;
  /** In the spelling of EIP-55. */
  address: string;
  created_at: string;
  scrypt: { n: number; r: number; p: number; salt: string };
  aes_gcm: { iv: string; ciphertext: string };
}

/** What a passphrase opens a box with. A script can use it, and cannot read it. */
export type Opener = CryptoKey;

/** 128 MiB and about a second, for each guess. */
const COST = { n: 2 ** 17, r: 8, p: 1 };
/** A box that asks for more memory than this was not made here. */
const MOST = { n: 2 ** 18, r: 8, p: 4 };

/** Puts a key into a box. The key is still the caller's to wipe. */
export async function seal(secret: Uint8Array, passphrase: string): Promise<[KeyBox, Opener]> {
  const scrypt = { ...COST, salt: bytesToHex(crypto.getRandomValues(new Uint8Array(32))) };
  const opener = await derive(passphrase, scrypt);
  const address = addressOf(secret);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await crypto.subtle.encrypt(algorithm(iv, address), opener, owned(secret));
  const aes_gcm = { iv: bytesToHex(iv), ciphertext: bytesToHex(new Uint8Array(sealed)) };
  const created_at = new Date().toISOString();
  return [{ format: "nexus-key", version: 1, address, created_at, scrypt, aes_gcm }, opener];
}

/** Tries a passphrase. */
export async function unlock(box: KeyBox, passphrase: string): Promise<Opener> {
  const opener = await derive(passphrase, box.scrypt);
  wipe(await open(box, opener));
  return opener;
}

/** Opens the box, signs, and wipes the key. */
export async function signWith(box: KeyBox, opener: Opener, text: string): Promise<string> {
  const secret = await open(box, opener);
  try {
    return signMessage(text, secret);
  } finally {
    wipe(secret);
  }
}

/** Overwrites bytes. What the garbage collector copied before is out of reach for every page. */
export function wipe(bytes: Uint8Array): void {
  bytes.fill(0);
}

async function open(box: KeyBox, opener: Opener): Promise<Uint8Array> {
  const { iv, ciphertext } = box.aes_gcm;
  try {
    const how = algorithm(owned(hexToBytes(iv)), box.address);
    return new Uint8Array(await crypto.subtle.decrypt(how, opener, owned(hexToBytes(ciphertext))));
  } catch {
    throw new WrongPassphrase();
  }
}

/** The address is part of what is authenticated: a box cannot be passed off as that of another key. */
function algorithm(iv: Uint8Array<ArrayBuffer>, address: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: owned(utf8ToBytes(address.toLowerCase())) };
}

async function derive(passphrase: string, { n, r, p, salt }: KeyBox["scrypt"]): Promise<Opener> {
  if (!(n <= MOST.n && r <= MOST.r && p <= MOST.p)) {
    throw new Refusal("This key file asks for more memory than this page gives it.");
  }
  // The same letters typed on two systems can have two spellings; this makes them one.
  const words = utf8ToBytes(passphrase.normalize("NFKC"));
  const key = await scryptAsync(words, hexToBytes(salt), { N: n, r, p, dkLen: 32 });
  try {
    return await crypto.subtle.importKey("raw", owned(key), "AES-GCM", false, ["encrypt", "decrypt"]);
  } finally {
    wipe(key);
    wipe(words);
  }
}

/** The same bytes, with the type that WebCrypto asks for. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
