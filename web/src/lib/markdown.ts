// Answers, rendered while they arrive. What a model writes is untrusted: this renderer makes nodes
// and text, never HTML from text, and only links that cannot run anything. An image becomes a link,
// as loading it would tell somebody else that, and what, is being read.

import * as smd from "streaming-markdown";

const ELEMENTS: Partial<Record<smd.Token, string>> = {
  [smd.PARAGRAPH]: "p",
  [smd.HEADING_1]: "h3",
  [smd.HEADING_2]: "h4",
  [smd.HEADING_3]: "h5",
  [smd.HEADING_4]: "h6",
  [smd.HEADING_5]: "h6",
  [smd.HEADING_6]: "h6",
  [smd.CODE_INLINE]: "code",
  [smd.ITALIC_AST]: "em",
  [smd.ITALIC_UND]: "em",
  [smd.STRONG_AST]: "strong",
  [smd.STRONG_UND]: "strong",
  [smd.STRIKE]: "s",
  [smd.LINK]: "a",
  [smd.RAW_URL]: "a",
  [smd.IMAGE]: "a",
  [smd.BLOCKQUOTE]: "blockquote",
  [smd.LINE_BREAK]: "br",
  [smd.RULE]: "hr",
  [smd.LIST_UNORDERED]: "ul",
  [smd.LIST_ORDERED]: "ol",
  [smd.LIST_ITEM]: "li",
  [smd.TABLE_CELL]: "td",
};

/** Deeper nesting than the parser keeps track of is not worth showing. */
const DEEPEST = 22;

/** One answer. `write` what arrives, `end` once. */
export class MarkdownWriter {
  #parser: smd.Parser | undefined;
  #source = "";
  #open: HTMLElement[];
  #kinds: smd.Token[] = [];

  constructor(private readonly root: HTMLElement) {
    this.#open = [root];
    this.#parser = smd.parser({
      data: undefined,
      add_token: (_, token) => this.#add(token),
      end_token: () => this.#end(),
      add_text: (_, text) => this.#top.append(text),
      set_attr: (_, attribute, value) => this.#attribute(attribute, value),
    });
  }

  write(text: string): void {
    this.#source += text;
    if (!this.#parser) {
      this.root.lastChild?.appendChild(document.createTextNode(text));
      return;
    }
    try {
      smd.parser_write(this.#parser, text);
    } catch {
      this.#giveUp();
    }
  }

  end(): void {
    try {
      if (this.#parser) smd.parser_end(this.#parser);
    } catch {
      this.#giveUp();
    }
    while (this.#kinds.length > 0) this.#end();
  }

  get #top(): HTMLElement {
    return this.#open[this.#open.length - 1]!;
  }

  #add(token: smd.Token): void {
    if (this.#kinds.length >= DEEPEST) throw new RangeError("nested too deeply");
    this.#kinds.push(token);
    this.#open.push(create(token, this.#top));
    if (token === smd.EQUATION_INLINE) this.#top.append("$");
  }

  #end(): void {
    const token = this.#kinds.pop();
    if (token === undefined) return;
    const element = this.#open.pop()!;
    if (token === smd.EQUATION_INLINE) element.append("$");
    if (token === smd.LINK && !element.hasAttribute("href")) unlink(element, "[", "]");
    if (token === smd.IMAGE) {
      if (!element.hasAttribute("href")) unlink(element, "[image: ", "]");
      else element.prepend("Image: ");
    }
  }

  #attribute(attribute: smd.Attr, value: string): void {
    const element = this.#top;
    if (attribute === smd.HREF || attribute === smd.SRC) link(element, value);
    if (attribute === smd.START) element.setAttribute("start", String(Number.parseInt(value, 10) || 1));
    if (attribute === smd.CHECKED && element instanceof HTMLInputElement) element.checked = true;
    if (attribute === smd.LANG) {
      const name = element.closest(".code")?.querySelector(".code-language");
      if (name) name.textContent = value.trim().split(/\s/)[0] ?? "";
    }
  }

  /** The parser lost its way in what is hardly a text for people: it is shown as it came. */
  #giveUp(): void {
    this.#parser = undefined;
    this.#kinds = [];
    this.#open = [this.root];
    const plain = document.createElement("pre");
    plain.tabIndex = 0;
    plain.append(this.#source);
    this.root.replaceChildren(plain);
  }
}

function create(token: smd.Token, parent: HTMLElement): HTMLElement {
  switch (token) {
    case smd.CODE_BLOCK:
    case smd.CODE_FENCE:
      return codeBlock(parent);
    case smd.CHECKBOX: {
      const box = append(parent, "input") as HTMLInputElement;
      box.type = "checkbox";
      box.disabled = true;
      box.setAttribute("aria-label", "Task");
      return box;
    }
    case smd.TABLE: {
      const frame = append(parent, "div", "table");
      frame.tabIndex = 0;
      frame.setAttribute("role", "region");
      frame.setAttribute("aria-label", "Table");
      return append(frame, "table");
    }
    case smd.TABLE_ROW: {
      const group = parent.childElementCount === 0 ? "thead" : "tbody";
      const last = parent.lastElementChild as HTMLElement | null;
      return append(last?.localName === group ? last : append(parent, group), "tr");
    }
    case smd.TABLE_CELL:
      return append(parent, parent.parentElement?.localName === "thead" ? "th" : "td");
    case smd.EQUATION_BLOCK:
      return append(parent, "div", "equation");
    case smd.EQUATION_INLINE:
      return append(parent, "span", "equation");
    default:
      return append(parent, ELEMENTS[token] ?? "span");
  }
}

function codeBlock(parent: HTMLElement): HTMLElement {
  const frame = append(parent, "div", "code");
  const bar = append(frame, "div", "code-bar");
  append(bar, "span", "code-language");
  const button = append(bar, "button", "code-copy") as HTMLButtonElement;
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy this code");
  const block = append(frame, "pre");
  block.tabIndex = 0;
  const code = append(block, "code");
  button.addEventListener("click", () => {
    void navigator.clipboard?.writeText(code.textContent ?? "").then(() => {
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1600);
    });
  });
  return code;
}

function append(parent: HTMLElement, name: string, className?: string): HTMLElement {
  const element = document.createElement(name);
  if (className) element.className = className;
  return parent.appendChild(element);
}

function link(element: HTMLElement, target: string): void {
  const href = safeLink(target);
  if (href === undefined) return;
  element.setAttribute("href", href);
  element.setAttribute("rel", "noopener noreferrer nofollow");
  if (!href.startsWith("#")) element.setAttribute("target", "_blank");
}

/** The target when it is one of `http`, `https`, `mailto` or a place on this page. */
export function safeLink(target: string): string | undefined {
  // A title may follow the address: [text](address "title").
  const address = target.trim().replace(/\s+["'(].*$/s, "").replace(/^<(.*)>$/s, "$1");
  if (/[\u0000-\u0020\u007f]/.test(address)) return undefined;
  if (/^#[\w-]*$/.test(address)) return address;
  if (!/^(https?:\/\/|mailto:)/i.test(address)) return undefined;
  try {
    return new URL(address).href;
  } catch {
    return undefined;
  }
}

/** Brackets that turned out to be no link become text again. */
function unlink(element: HTMLElement, before: string, after: string): void {
  element.replaceWith(before, ...element.childNodes, after);
}
