// Reads a key that somebody brings: hexadecimal digits, a copy that this page saved, or the keystore
// file of a wallet (Web3 Secret Storage, version 3). Loaded only when somebody brings one.

import { scryptAsync } from "@noble/hashes/scrypt.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { isSecret } from "./ethereum";
import { wipe, type KeyBox } from "./keybox";
import { Refusal, WrongPassphrase } from "./refusal";

/** What was brought. */
export type Brought =
  | { kind: "secret"; secret: Uint8Array }
  | { kind: "box"; box: KeyBox }
  | { kind: "keystore"; keystore: Keystore };

interface Keystore {
  version: 3;
  crypto: {
    cipher: string;
    ciphertext: string;
    cipherparams: { iv: string };
    kdf: string;
    kdfparams: { dklen: number; salt: string; n?: number; r?: number; p?: number; c?: number; prf?: string };
    mac: string;
  };
}

const EXPECTED =
  "A key is 64 hexadecimal digits, with or without `0x` before them; or a key file that this page or a wallet saved.";

/** Tells what a text is. */
export function read(text: string): Brought {
  const trimmed = text.trim();
  if (/^(0x)?[0-9a-f]{64}$/i.test(trimmed)) {
    const secret = hexToBytes(trimmed.replace(/^0x/i, ""));
    if (!isSecret(secret)) throw new Refusal("This number is too large or too small to be a key.");
    return { kind: "secret", secret };
  }
  if (/^0x[0-9a-f]{40}$/i.test(trimmed)) {
    throw new Refusal("This is an address: a name that everybody may know. The key has 64 digits.");
  }
  if (/^nx[a-z]_/.test(trimmed)) {
    throw new Refusal("This is a token, not a key. Choose “I have a token” to use it.");
  }
  let parsed: { format?: unknown; version?: unknown; crypto?: unknown; Crypto?: unknown };
  try {
    parsed = JSON.parse(trimmed) as typeof parsed;
  } catch {
    throw new Refusal(EXPECTED);
  }
  if (isBox(parsed)) return { kind: "box", box: parsed };
  const inner = parsed?.crypto ?? parsed?.Crypto;
  if (parsed?.version === 3 && typeof inner === "object" && inner !== null) {
    return { kind: "keystore", keystore: { version: 3, crypto: inner as Keystore["crypto"] } };
  }
  throw new Refusal(EXPECTED);
}

/** The key in the keystore file of a wallet. */
export async function openKeystore(keystore: Keystore, passphrase: string): Promise<Uint8Array> {
  try {
    return await decrypt(keystore, passphrase);
  } catch (failure) {
    if (failure instanceof Refusal) throw failure;
    throw new Refusal("This key file is damaged: something in it is missing or is not what it must be.");
  }
}

async function decrypt({ crypto: it }: Keystore, passphrase: string): Promise<Uint8Array> {
  if (it.cipher !== "aes-128-ctr") throw new Refusal(`Keystores with the cipher ${it.cipher} are not read here.`);
  const derived = await derive(it, passphrase);
  const ciphertext = hexToBytes(it.ciphertext);
  const mac = bytesToHex(keccak_256(concatBytes(derived.subarray(16, 32), ciphertext)));
  if (mac !== it.mac.toLowerCase()) throw new WrongPassphrase();
  const bytes = derived.slice(0, 16) as Uint8Array<ArrayBuffer>;
  const key = await crypto.subtle.importKey("raw", bytes, "AES-CTR", false, ["decrypt"]);
  const counter = hexToBytes(it.cipherparams.iv) as Uint8Array<ArrayBuffer>;
  const how = { name: "AES-CTR", counter, length: 128 };
  const secret = new Uint8Array(await crypto.subtle.decrypt(how, key, ciphertext as Uint8Array<ArrayBuffer>));
  for (const used of [derived, bytes]) wipe(used);
  if (!isSecret(secret)) throw new Refusal("What this file holds is not a key.");
  return secret;
}

async function derive({ kdf, kdfparams }: Keystore["crypto"], passphrase: string): Promise<Uint8Array> {
  const words = utf8ToBytes(passphrase) as Uint8Array<ArrayBuffer>;
  const salt = hexToBytes(kdfparams.salt) as Uint8Array<ArrayBuffer>;
  const { n, r, p, c, prf } = kdfparams;
  if (kdf === "scrypt" && n && r && p && n * r <= 2 ** 22) {
    return scryptAsync(words, salt, { N: n, r, p, dkLen: 32 });
  }
  if (kdf === "pbkdf2" && c && c <= 10_000_000 && prf === "hmac-sha256") {
    const base = await crypto.subtle.importKey("raw", words, "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", salt, iterations: c, hash: "SHA-256" };
    return new Uint8Array(await crypto.subtle.deriveBits(how, base, 256));
  }
  throw new Refusal("This key file protects its key in a way that is not read here.");
}

function isBox(value: unknown): value is KeyBox {
  const box = value as Partial<KeyBox> | null;
  return (
    box?.format === "nexus-key" &&
    box.version === 1 &&
    /^0x[0-9a-f]{40}$/i.test(box.address ?? "") &&
    [box.scrypt?.salt, box.aes_gcm?.iv, box.aes_gcm?.ciphertext].every((hex) => /^([0-9a-f]{2})+$/.test(hex ?? "")) &&
    [box.scrypt?.n, box.scrypt?.r, box.scrypt?.p].every(Number.isInteger)
  );
}
