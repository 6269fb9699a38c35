// Keys, addresses and signatures, as `docs/signing.md` has them. Loaded only when somebody signs.

import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";

/** 32 random bytes that are a key. */
export const newSecret = (): Uint8Array => secp256k1.utils.randomSecretKey();

/** Whether these bytes are a number that can be a key. */
export const isSecret = (bytes: Uint8Array): boolean => secp256k1.utils.isValidSecretKey(bytes);

/** The address of a key, in the spelling of EIP-55. */
export function addressOf(secret: Uint8Array): string {
  const point = secp256k1.getPublicKey(secret, false);
  return checksummed(bytesToHex(keccak_256(point.subarray(1)).subarray(-20)));
}

/** The spelling of EIP-55: a digit is a capital when its place in the hash says so. */
export function checksummed(address: string): string {
  const digits = address.toLowerCase().replace(/^0x/, "");
  const hash = bytesToHex(keccak_256(utf8ToBytes(digits)));
  return `0x${[...digits].map((digit, at) => (hash[at]! >= "8" ? digit.toUpperCase() : digit)).join("")}`;
}

/** A personal message (EIP-191), signed: `0x` and 130 hexadecimal digits. */
export function signMessage(text: string, secret: Uint8Array): string {
  const message = utf8ToBytes(text);
  const intro = utf8ToBytes(`\x19Ethereum Signed Message:\n${message.length}`);
  const digest = keccak_256(concatBytes(intro, message));
  // The library puts the recovery number first, wallets put it last.
  const made = secp256k1.sign(digest, secret, { prehash: false, format: "recovered" });
  return `0x${bytesToHex(made.subarray(1))}${(27 + made[0]!).toString(16)}`;
}
