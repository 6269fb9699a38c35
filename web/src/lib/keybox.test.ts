import { hexToBytes } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";
import { addressOf, newSecret, signMessage } from "./ethereum";
import { seal, signWith, unlock, wipe } from "./keybox";
import { openKeystore, read } from "./keyfile";
import { Refusal, WrongPassphrase } from "./refusal";

const HEX = "01".repeat(32);
const PASSPHRASE = "correct horse battery staple";

describe("a key box", () => {
  test("gives the key back to its passphrase, and to no other", { timeout: 60_000 }, async () => {
    const secret = newSecret();
    const expected = signMessage("hello", secret);
    const address = addressOf(secret);
    const [sealed] = await seal(secret, PASSPHRASE);
    wipe(secret);
    expect(secret.every((byte) => byte === 0)).toBe(true);

    // As it comes back from a file.
    const box = JSON.parse(JSON.stringify(sealed)) as typeof sealed;
    const found = read(JSON.stringify(box));
    expect(found).toEqual({ kind: "box", box });
    expect(box.address).toBe(address);
    const opener = await unlock(box, PASSPHRASE);
    expect(await signWith(box, opener, "hello")).toBe(expected);
    expect(opener.extractable).toBe(false);

    await expect(unlock(box, `${PASSPHRASE} `)).rejects.toThrow(WrongPassphrase);
    const other = { ...box, address: `0x${"5a".repeat(20)}` };
    await expect(signWith(other, opener, "hello")).rejects.toThrow(WrongPassphrase);
    const { iv, ciphertext } = box.aes_gcm;
    const flipped = (ciphertext.startsWith("0") ? "1" : "0") + ciphertext.slice(1);
    const changed = { ...box, aes_gcm: { iv, ciphertext: flipped } };
    await expect(signWith(changed, opener, "hello")).rejects.toThrow(WrongPassphrase);
  });

  test("holds nothing of the key in clear", { timeout: 60_000 }, async () => {
    const [box] = await seal(hexToBytes(HEX), PASSPHRASE);
    expect(JSON.stringify(box)).not.toContain(HEX.slice(0, 16));
    expect(JSON.stringify(box)).not.toContain(PASSPHRASE);
  });

  test("that asks for all the memory there is, is refused", async () => {
    const [box] = await seal(hexToBytes(HEX), PASSPHRASE);
    const greedy = { ...box, scrypt: { ...box.scrypt, n: 2 ** 30 } };
    await expect(unlock(greedy, PASSPHRASE)).rejects.toThrow(Refusal);
  }, 60_000);
});

describe("what somebody brings", () => {
  test("is a key in any of its spellings", () => {
    for (const text of [HEX, `0x${HEX}\n`, `  0X${HEX.toUpperCase()}`]) {
      expect(read(text)).toEqual({ kind: "secret", secret: hexToBytes(HEX) });
    }
  });

  test("or is told what is wrong with it", () => {
    const wrong = { "0x12": /64 hexadecimal/, [`0x${"a".repeat(40)}`]: /address/, nxd_abc: /token/, "{}": /64/, "[": /64/ };
    for (const [text, message] of Object.entries({ ...wrong, [`${"f".repeat(64)}`]: /too large/, ["0".repeat(64)]: /too/ })) {
      expect(() => read(text), text).toThrow(message);
      expect(() => read(text), text).toThrow(Refusal);
    }
  });

  // The test vector of Web3 Secret Storage, version 3, with PBKDF2.
  test("can be the keystore of a wallet", { timeout: 60_000 }, async () => {
    const file = {
      crypto: {
        cipher: "aes-128-ctr",
        cipherparams: { iv: "6087dab2f9fdbbfaddc31a909735c1e6" },
        ciphertext: "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        kdf: "pbkdf2",
        kdfparams: {
          c: 262_144,
          dklen: 32,
          prf: "hmac-sha256",
          salt: "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        mac: "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
      },
      id: "3198bc9c-6672-5ab3-d995-4942343ae5b6",
      version: 3,
    };
    const found = read(JSON.stringify(file));
    if (found.kind !== "keystore") throw new Error(found.kind);
    expect(await openKeystore(found.keystore, "testpassword")).toEqual(
      hexToBytes("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"),
    );
    await expect(openKeystore(found.keystore, "wrong")).rejects.toThrow(WrongPassphrase);
    const { mac: _, ...damaged } = file.crypto;
    const broken = read(JSON.stringify({ version: 3, crypto: damaged }));
    if (broken.kind !== "keystore") throw new Error(broken.kind);
    await expect(openKeystore(broken.keystore, "testpassword")).rejects.toThrow(Refusal);
  });

  // The other test vector of the same page, with scrypt.
  test("can be the keystore of a wallet that uses scrypt", { timeout: 60_000 }, async () => {
    const file = {
      crypto: {
        cipher: "aes-128-ctr",
        cipherparams: { iv: "83dbcc02d8ccb40e466191a123791e0e" },
        ciphertext: "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        kdf: "scrypt",
        kdfparams: {
          dklen: 32,
          n: 262_144,
          p: 8,
          r: 1,
          salt: "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        mac: "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
      },
      version: 3,
    };
    const found = read(JSON.stringify(file));
    if (found.kind !== "keystore") throw new Error(found.kind);
    expect(await openKeystore(found.keystore, "testpassword")).toEqual(
      hexToBytes("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"),
    );
  });
});
