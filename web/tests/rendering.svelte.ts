// Renders answers in tests: whole, or in the pieces in which they arrive.

import { flushSync, mount, unmount } from "svelte";
import { vi } from "vitest";
import Markdown from "../src/components/Markdown.svelte";

/** The answer as it is shown, once it has ended. */
export function render(text: string): HTMLElement {
  const target = document.createElement("div");
  const component = mount(Markdown, { target, props: { text, finished: true } });
  flushSync();
  const shown = target.firstElementChild!.cloneNode(true) as HTMLElement;
  void unmount(component);
  return shown;
}

/** The answer as it is shown after it came in pieces, each of which was drawn. */
export function stream(pieces: string[]): HTMLElement {
  vi.useFakeTimers();
  try {
    const target = document.createElement("div");
    const props = $state({ text: "", finished: false });
    const component = mount(Markdown, { target, props });
    for (const piece of pieces) {
      props.text += piece;
      flushSync();
      vi.advanceTimersByTime(1000);
      flushSync();
    }
    props.finished = true;
    flushSync();
    const shown = target.firstElementChild!.cloneNode(true) as HTMLElement;
    void unmount(component);
    return shown;
  } finally {
    vi.useRealTimers();
  }
}

/** The elements, without what only buttons, screen readers and the framework need. */
export function outline(root: Element): string {
  for (const comment of comments(root)) comment.remove();
  for (const button of root.querySelectorAll("button")) button.remove();
  for (const element of root.querySelectorAll("*")) {
    for (const { name } of [...element.attributes]) if (!/^(href|start|class)$/.test(name)) element.removeAttribute(name);
    if (!element.className) element.removeAttribute("class");
  }
  return root.innerHTML.replace(/(?<=>)\s+(?=<\/?(p|[uo]l|li|div|t[a-z]+|h\d|blockquote|pre)\b)/g, "").trim();
}

function comments(root: Node): ChildNode[] {
  const found: ChildNode[] = [];
  for (const child of root.childNodes) {
    if (child.nodeType === Node.COMMENT_NODE) found.push(child);
    else found.push(...comments(child));
  }
  return found;
}
