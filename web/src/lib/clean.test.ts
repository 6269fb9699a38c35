import { describe, expect, test } from "vitest";
import { clean, cleanedWords, cleanField } from "./clean";

describe("clean", () => {
  test("takes out what the server refuses, and nothing else", () => {
    for (let code = 0; code < 0xa0; code += 1) {
      const one = String.fromCodePoint(code);
      const refused = (code < 0x20 && !"\t\n\r".includes(one)) || code >= 0x7f;
      expect(clean(`a${one}b`), code.toString(16)).toEqual({ text: refused ? "ab" : `a${one}b`, removed: Number(refused) });
    }
    for (const [code, removed] of [[0xdffff, 0], [0xe0000, 1], [0xe0041, 1], [0xe007f, 1], [0xe0080, 0]] as const) {
      expect(clean(String.fromCodePoint(code)).removed, code.toString(16)).toBe(removed);
    }
  });

  test("halves of characters go, whole ones stay", () => {
    expect(clean("a\ud83db\udc4bc👋")).toEqual({ text: "abc👋", removed: 2 });
  });

  test("the three flags that are spelled with invisible letters stay", () => {
    const flags = ["🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏴󠁧󠁢󠁷󠁬󠁳󠁿"].join(" ");
    expect(clean(flags)).toEqual({ text: flags, removed: 0 });
    expect(clean("🏴󠁧󠁢󠁸󠁿").removed).toBe(4);
  });

  test("ordinary text of any script stays byte for byte", () => {
    const text = "\t  我是曦\r\nça va ‏مرحبا‎ e\u0301 \u200d \ufeff";
    expect(clean(text)).toEqual({ text, removed: 0 });
  });

  test("a field keeps its cursor", () => {
    const field = document.createElement("textarea");
    field.value = "ab\u0007cd\u0008ef";
    field.setSelectionRange(5, 5);
    expect(cleanField(field)).toBe(2);
    expect([field.value, field.selectionStart]).toEqual(["abcdef", 4]);
    expect([cleanedWords(0), cleanedWords(1).slice(0, 22), cleanedWords(2).slice(0, 24)]).toEqual([
      "",
      "1 invisible character ",
      "2 invisible characters w",
    ]);
  });
});
