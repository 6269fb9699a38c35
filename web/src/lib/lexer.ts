// CommonMark and GFM as marked reads it, with what answers of models need besides: formulas, fences
// of Markdown inside Markdown, emphasis beside Chinese and Japanese, and bounds on hostile text.
// It gives tokens, never HTML; the `raw` of all tokens adds up to the source.

import { getDefaults, Lexer, Tokenizer, type MarkedOptions, type Token, type Tokens } from "marked";
import { formulaAt, maskFormulas } from "./math";

/** Deeper nesting than this is shown as it was written. */
const DEEPEST_BLOCK = 12;
const DEEPEST_INLINE = 16;

/** Marks times length of a paragraph. Above it, the text is hardly for people, and is shown as it is. */
const MOST_WORK = 2_000_000;

const LONGEST_QUOTE = 20_000;

/** Of addresses without brackets around them, half of this. */
const LONGEST_ADDRESS = 4000;

const MARKS = /[*_~`[\]!<&\\$]/g;

/** Scripts that put no space between words and their punctuation. */
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff00-\uffef]/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;

export interface FormulaToken {
  type: "formula";
  raw: string;
  source: string;
  display: boolean;
}

export interface Lexed {
  tokens: Token[];
  /** Whether a definition of links is among them, which can change any text before it. */
  defines: boolean;
}

/** Never throws: what the lexer cannot read is one plain text. */
export function lex(source: string): Lexed {
  const lexer = new AnswerLexer();
  try {
    const tokens: Token[] = [...lexer.lex(source)];
    return { tokens, defines: Object.keys(lexer.tokens.links).length > 0 };
  } catch {
    return { tokens: [{ type: "paragraph", raw: source, text: source, tokens: [plain(source)] }], defines: false };
  }
}

const plain = (text: string): Tokens.Text => ({ type: "text", raw: text, text });

class AnswerLexer extends Lexer {
  #blockDepth = 0;
  #inlineDepth = 0;
  #inline = "";

  constructor() {
    const tokenizer = new AnswerTokenizer();
    const hooks = { emStrongMask: (masked: string) => maskFormulas(this.#inline, masked) };
    super({ ...getDefaults(), gfm: true, tokenizer, hooks, extensions: EXTENSIONS } as unknown as MarkedOptions);
  }

  override blockTokens(source: string, tokens: Token[] = [], clipped?: boolean): never {
    if (this.#blockDepth >= DEEPEST_BLOCK) {
      if (source) tokens.push({ ...plain(source), tokens: [plain(source)] });
      return tokens as never;
    }
    this.#blockDepth += 1;
    try {
      return super.blockTokens(source, tokens, clipped) as never;
    } finally {
      this.#blockDepth -= 1;
    }
  }

  override inlineTokens(source: string, tokens: Token[] = []): Token[] {
    const outer = this.#inline;
    if (this.#inlineDepth >= DEEPEST_INLINE || isTooMuch(source)) {
      if (source) tokens.push(plain(source));
      return tokens;
    }
    this.#inlineDepth += 1;
    this.#inline = source;
    try {
      return super.inlineTokens(source, tokens);
    } finally {
      this.#inlineDepth -= 1;
      this.#inline = outer;
    }
  }
}

function isTooMuch(source: string): boolean {
  const mostMarks = MOST_WORK / source.length;
  if (source.length <= mostMarks) return false;
  let marks = 0;
  for (const _ of source.matchAll(MARKS)) if ((marks += 1) > mostMarks) return true;
  return false;
}

class AnswerTokenizer extends Tokenizer {
  /** Tags are text, and the Markdown between them is Markdown. */
  override html(): undefined {
    return undefined;
  }

  /** A fence of Markdown may hold fences: the one that closes it is the one that is left over. */
  override fences(source: string): Tokens.Code | undefined {
    const token = super.fences(source);
    if (!token || !/^(markdown|md|mdx)$/i.test(token.lang ?? "")) return token;
    const [fence] = /^[`~]+/.exec(source) ?? [];
    return fence ? nestedFence(source, fence, token.lang!) : token;
  }

  /** Quotes with lines that only continue one cost the square of their length. */
  override blockquote(source: string): Tokens.Blockquote | undefined {
    const [quote = ""] = this.rules.block.blockquote.exec(source) ?? [];
    const raw = quote.replace(/\n+$/, "");
    if (raw.length < LONGEST_QUOTE || !/^(?! {0,3}>)/m.test(raw)) return super.blockquote(source);
    return { type: "blockquote", raw, text: raw, tokens: [{ ...plain(raw), tokens: [plain(raw)] }] };
  }

  override emStrong(source: string, masked: string, before = ""): Tokens.Em | Tokens.Strong | undefined {
    return this.#emphasisInCjk(source, masked, before) ?? super.emStrong(source, masked, before);
  }

  /** Ends before the punctuation of scripts that put no space after an address. */
  override url(source: string): Tokens.Link | undefined {
    const token = super.url(source.slice(0, LONGEST_ADDRESS));
    if (token && token.raw.length > LONGEST_ADDRESS / 2) return undefined;
    const end = token?.raw.search(/[\u3000-\u3020\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]/) ?? -1;
    if (!token || end <= 0) return token;
    const text = token.raw.slice(0, end);
    const href = token.href.slice(0, token.href.length - (token.raw.length - end));
    return { ...token, raw: text, text, href, tokens: [plain(text)] };
  }

  override inlineText(source: string): Tokens.Text | undefined {
    const dollar = source.indexOf("$", 1);
    return super.inlineText(dollar < 0 ? source : source.slice(0, dollar));
  }

  /** CommonMark does not end `**太字（bold）。**` before a letter: its rule counts on spaces. */
  #emphasisInCjk(source: string, masked: string, before: string): Tokens.Em | Tokens.Strong | undefined {
    if (!source.startsWith("*") || before === "*") return undefined;
    const own = masked.slice(masked.length - source.length);
    const found = /^(\*\*?)(?![\s*])([^*\n]{1,400}?)(?<![\s\\])\1(?!\*)/u.exec(own);
    if (!found) return undefined;
    const [{ length }, { length: mark }] = found as unknown as [string, string];
    const text = source.slice(mark, length - mark);
    const opens = CJK.test(before) && PUNCTUATION.test(text[0]!);
    const closes = CJK.test(source[length] ?? "") && PUNCTUATION.test(text.at(-1)!);
    if (!opens && !closes) return undefined;
    const type = mark === 2 ? "strong" : "em";
    return { type, raw: source.slice(0, length), text, tokens: this.lexer.inlineTokens(text) };
  }
}

function nestedFence(source: string, fence: string, lang: string): Tokens.Code {
  const begin = source.indexOf("\n") + 1 || source.length;
  let depth = 0;
  let at = begin;
  while (at < source.length) {
    const next = source.indexOf("\n", at);
    const end = next < 0 ? source.length : next;
    const [, inner, info] = /^ {0,3}(`{3,}|~{3,})[ \t]*(.*)$/.exec(source.slice(at, end)) ?? [];
    if (inner?.startsWith(fence)) {
      if (info) depth += 1;
      else if (depth === 0) return code(source.slice(0, end), source.slice(begin, Math.max(begin, at - 1)), lang);
      else depth -= 1;
    }
    at = end + 1;
  }
  return code(source, source.slice(begin).replace(/\n$/, ""), lang);
}

const code = (raw: string, text: string, lang: string): Tokens.Code => ({ type: "code", raw, text, lang });

function formulaToken(source: string, before = ""): FormulaToken | undefined {
  const formula = formulaAt(source, before);
  return formula && { type: "formula", ...formula };
}

/** A formula that stands alone; its lines may look like lists and headings. */
function formulaBlock(source: string): FormulaToken | undefined {
  const indent = /^ {0,3}(?=\\\[|\$\$)/.exec(source)?.[0];
  if (indent === undefined) return undefined;
  const token = formulaToken(source.slice(indent.length));
  const raw = indent + (token?.raw ?? "");
  return token && /^[ \t]*(\n|$)/.test(source.slice(raw.length)) ? { ...token, raw } : undefined;
}

function formulaInline(source: string, tokens: Token[]): FormulaToken | undefined {
  return /^(\$|\\[([])/.test(source) ? formulaToken(source, tokens.at(-1)?.raw.at(-1)) : undefined;
}

const EXTENSIONS = {
  renderers: {},
  childTokens: {},
  block: [formulaBlock],
  inline: [formulaInline],
};
