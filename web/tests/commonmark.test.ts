// The examples of the CommonMark specification, for everything that answers show.

import { tests } from "commonmark-spec";
import { expect, test } from "vitest";
import { safeLink } from "../src/lib/links";
import { render } from "./rendering.svelte.ts";

/** Tags are text here, and the specification hides or obeys them. */
const HAS_TAGS = /<[a-z!?/][^>]*>/i;

/** 484, 487, 581: a link without text is shown as it was written. 503: an address that leads nowhere keeps its escapes.
 * 602, 608, 611, 612: GFM makes links of bare addresses. */
const DIFFERENT = new Set([484, 487, 503, 581, 602, 608, 611, 612]);

const used = tests.filter(({ section, markdown, number }) => {
  if (/HTML/.test(section) || DIFFERENT.has(number)) return false;
  return !HAS_TAGS.test(markdown.replace(/<(https?|mailto|irc|made-up-scheme|localhost)[^>]*>/g, "")) || /`.*<.*`|^ {4}</m.test(markdown);
});

test.each(used)("P4: example $number ($section) of CommonMark", ({ markdown, html }) => {
  const wanted = expected(html.replaceAll("→", "\t"));
  if (wanted === undefined) return;
  expect(canonical(render(markdown.replaceAll("→", "\t")))).toBe(wanted);
});

test("P4: nearly all examples of CommonMark were looked at", () => {
  expect(used.filter(({ html }) => expected(html) !== undefined).length).toBeGreaterThan(540);
});

const SHOWN = new Set("p h1 h2 h3 h4 h5 h6 a img em strong code pre ul ol li blockquote hr br".split(" "));

function expected(html: string): string | undefined {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  for (const element of body.querySelectorAll("*")) if (!SHOWN.has(element.localName)) return undefined;
  return canonical(body);
}

function canonical(node: Node): string {
  return [...node.childNodes].map(one).join("").replace(/\s+/g, " ").replaceAll("<br> ", "<br>").replace(/ ?(<\/?(p|h\d|ul|ol|li|blockquote|hr|pre)[^>]*>) ?/g, "$1").trim();
}

/** An address that leads nowhere is shown as it was written, and as an address in the specification. */
function plain(address: string): string {
  try {
    return decodeURI(address).replace("%5B", "[");
  } catch {
    return address;
  }
}

function one(node: Node): string {
  if (node.nodeType === Node.TEXT_NODE) return (node.textContent ?? "").replace(/&/g, "&amp;").replace(/</g, "&lt;");
  if (!(node instanceof Element)) return "";
  const name = node.localName;
  const inner = [...node.childNodes].map(one).join("");
  if (/^h\d$/.test(name)) {
    const isOurs = node.hasAttribute("dir");
    const level = isOurs ? name : `h${Math.min(6, Number(name[1]) + 2)}`;
    return `<${level}>${inner}</${level}>`;
  }
  if (node.classList.contains("code")) return `<pre>${JSON.stringify(node.querySelector(".code-language")!.textContent)}${JSON.stringify(node.querySelector("code")!.textContent!.trimEnd())}</pre>`;
  if (name === "pre") {
    const code = node.firstElementChild!;
    return `<pre>${JSON.stringify(/language-(.*)/.exec(code.className)?.[1] ?? "")}${JSON.stringify(code.textContent!.trimEnd())}</pre>`;
  }
  if (name === "br") return "<br>";
  if (name === "a" || name === "img") {
    const target = node.getAttribute("href") ?? node.getAttribute("src") ?? "";
    const text = name === "img" ? `Image: ${node.getAttribute("alt") ?? ""}` : inner;
    const href = safeLink(target);
    if (href) return `<a ${plain(href)}>${text}</a>`;
    return text === target ? text : `${text} (${plain(target)})`;
  }
  if (name === "ol") return `<ol ${node.getAttribute("start") ?? "1"}>${inner}</ol>`;
  return `<${name}>${inner}</${name}>`;
}
