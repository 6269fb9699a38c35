// Answers, read while they arrive. What a model writes is untrusted: these are tokens, which components
// show as elements and text, never HTML. What is finished is not read again.

import type { Token } from "marked";
import { lex } from "./lexer";

/** More text can change this many tokens at the end: a block, the space after it, and its neighbour. */
const OPEN = 3;

/** One answer that grows. */
export class MarkdownStream {
  #source = "";
  #tokens: Token[] = [];
  #isWhole = false;

  /** All tokens of the text. Those that are finished are the same objects as before. */
  read(text: string, finished: boolean): Token[] {
    const source = normalise(text, finished);
    const grows = source.startsWith(this.#source);
    if (grows && !finished && source.length === this.#source.length) return this.#tokens;
    const frozen = grows && !finished && !this.#isWhole ? this.#tokens.slice(0, -OPEN) : [];
    const begin = frozen.reduce((sum, { raw }) => sum + raw.length, 0);
    const tail = lex(source.slice(begin));
    const adds = tail.tokens.reduce((sum, { raw }) => sum + raw.length, begin) === source.length;
    // A definition can be meant by any text before it.
    this.#isWhole = tail.defines || !adds;
    this.#tokens = this.#isWhole && begin > 0 ? lex(source).tokens : [...frozen, ...tail.tokens];
    this.#source = source;
    return this.#tokens;
  }
}

/** A line may end with CR, LF or both; half of such an end waits for the other. */
function normalise(text: string, finished: boolean): string {
  const whole = !finished && text.endsWith("\r") ? text.slice(0, -1) : text;
  return whole.replace(/\r\n?/g, "\n").replaceAll("\u0000", "\u{FFFD}");
}

/** How a language is written that goes from right to left, by its first letter that has a direction. */
export function direction(text: string): "rtl" | undefined {
  const [first] = /\p{L}/u.exec(text) ?? [];
  return first && /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(first)
    ? "rtl"
    : undefined;
}
