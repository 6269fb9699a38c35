import { describe, expect, test } from "vitest";
import { plainText } from "./plain";

const said = (markdown: string): string => plainText(markdown, 600);

describe("plain text", () => {
  test.each([
    ["**Bold** and *slanted* and ~~gone~~", "Bold and slanted and gone"],
    ["# A title\n\nA paragraph with `code_of_mine`.", "A title\nA paragraph with code_of_mine."],
    ["- one\n- two **three**\n  1. four", "one\ntwo three\nfour"],
    ["- [x] done\n- [ ] open", "done\nopen"],
    ["> quoted\n\nafter", "quoted\nafter"],
    ["[a link](https://example.org/?q=1) and https://example.com", "a link and https://example.com"],
    ["![a cat](cat.png)", "Image: a cat"],
    ["| a | b |\n|---|---|\n| **1** | 2 |", "a, b\n1, 2"],
    ["```js\nlet a = b_c * d_e;\n```", "let a = b_c * d_e;"],
    ["R&amp;D \\*literal\\* 5 \\< 6", "R&D *literal* 5 < 6"],
    ["The sum \\(a_1 + b_1\\) is small.", "The sum a_1 + b_1 is small."],
    ["one\n\n---\n\ntwo", "one\ntwo"],
    ["user_id and MAX_TOKENS", "user_id and MAX_TOKENS"],
    ["", ""],
  ])("P9: what is spoken of %j has no marks", (markdown, spoken) => expect(said(markdown)).toBe(spoken));

  test("P9: a long text is cut between two words, and says that it goes on", () => {
    expect(plainText("**alpha** beta gamma", 12)).toBe("alpha beta…");
    expect(plainText("x".repeat(50), 10)).toBe(`${"x".repeat(10)}…`);
    expect(plainText(`**a** ${"word ".repeat(5000)}`, 600)).toMatch(/^a (word ){50,}word…$/);
    expect(plainText("alpha beta", 10)).toBe("alpha beta");
  });
});
