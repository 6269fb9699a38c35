// Formulas in LaTeX: `\(…\)`, `\[…\]`, `$$…$$`, and `$…$` where it cannot be money or a variable.

export interface Formula {
  raw: string;
  source: string;
  display: boolean;
}

/** Longer ones are no formulas; to look no further also bounds what hostile text can cost. */
const LONGEST = 4000;
const LONGEST_BETWEEN_DOLLARS = 400;

const WORDLIKE = /[\p{L}\p{N}]/u;

/** The formula at the beginning of the text. */
export function formulaAt(text: string, before = ""): Formula | undefined {
  if (text.startsWith("\\(")) return between(text, "\\(", "\\)", false);
  if (text.startsWith("\\[")) return between(text, "\\[", "\\]", true);
  if (text.startsWith("$$")) return between(text, "$$", "$$", true);
  if (text.startsWith("$")) return betweenDollars(text, before);
  return undefined;
}

function between(text: string, open: string, close: string, display: boolean): Formula | undefined {
  const head = text.slice(open.length, LONGEST);
  const end = head.indexOf(close);
  const source = head.slice(0, Math.max(0, end));
  if (end < 0 || !WORDLIKE.test(source) || /\n[ \t]*\n/.test(source)) return undefined;
  return { raw: text.slice(0, open.length + end + close.length), source: source.trim(), display };
}

/** `$5 and $6`, `$HOME/$USER` and `US$` are none. */
function betweenDollars(text: string, before: string): Formula | undefined {
  const found = /^\$((?:[^\\$\n]|\\[^\n])+)\$/.exec(text.slice(0, LONGEST_BETWEEN_DOLLARS));
  if (!found || WORDLIKE.test(before)) return undefined;
  const [raw, source] = found as unknown as [string, string];
  if (/^\s|\s$/.test(source) || !WORDLIKE.test(source)) return undefined;
  const after = text[raw.length] ?? "";
  if (WORDLIKE.test(after) || after === "$") return undefined;
  // A sum of money, and words after it.
  const isMoney = /^\d/.test(source) && /(?:^|[^\\\p{L}])\p{L}{2,}/u.test(source.replace(/\\[a-zA-Z]+(\{[^{}]*\})?/g, ""));
  return isMoney ? undefined : { raw, source, display: false };
}

/** A text of the same length in which formulas hold nothing that could be emphasis. `masked` is the
 * text with code and links masked already: what is masked there begins no formula. */
export function maskFormulas(text: string, masked: string): string {
  if (!/[$\\]/.test(text) || masked.length !== text.length) return masked;
  let result = "";
  let last = 0;
  for (let at = 0; at < text.length; at += 1) {
    const begins = text[at] === "$" ? masked[at] === "$" : text[at] === "\\" && masked[at] === "+";
    const formula = begins ? formulaAt(text.slice(at, at + LONGEST), text[at - 1]) : undefined;
    if (!formula) continue;
    const end = at + formula.raw.length;
    result += `${masked.slice(last, at)}[${"a".repeat(formula.raw.length - 2)}]`;
    last = end;
    at = end - 1;
  }
  return result + masked.slice(last);
}
