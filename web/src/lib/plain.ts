// Markdown as plain text, for screen readers: the words, without the marks.

import type { Token, Tokens } from "marked";
import { decode } from "./entities";
import { lex, type FormulaToken } from "./lexer";

/** At most so many characters of it, cut between two words. */
export function plainText(markdown: string, most: number): string {
  // Marks take room, too.
  const text = blocks(lex(markdown.slice(0, most * 4)).tokens).trim();
  if (text.length <= most && markdown.length <= most * 4) return text;
  const cut = text.slice(0, most);
  const end = cut.search(/\s+\S*$/);
  return `${(end > most / 2 ? cut.slice(0, end) : cut).trimEnd()}…`;
}

/** Each block ends with a line: screen readers pause there. */
function blocks(tokens: Token[]): string {
  return tokens.map((token) => block(token)).join("");
}

function block(token: Token): string {
  switch (token.type) {
    case "code":
      return `${(token as Tokens.Code).text}\n`;
    case "list":
      return (token as Tokens.List).items.map((item) => blocks(item.tokens)).join("");
    case "blockquote":
      return blocks((token as Tokens.Blockquote).tokens);
    case "table":
      return table(token as Tokens.Table);
    case "space":
    case "hr":
    case "def":
    case "checkbox":
      return "";
    default:
      return `${inline(token)}\n`;
  }
}

function table({ header, rows }: Tokens.Table): string {
  const line = (cells: Tokens.TableCell[]): string => `${cells.map(({ tokens }) => inlines(tokens)).join(", ")}\n`;
  return [header, ...rows].map(line).join("");
}

const inlines = (tokens: Token[]): string => tokens.map(inline).join("");

function inline(token: Token): string {
  switch (token.type) {
    case "codespan":
    case "escape":
      return (token as Tokens.Codespan).text;
    case "br":
      return "\n";
    case "formula":
      return (token as FormulaToken).source;
    case "image":
      return `Image: ${(token as Tokens.Image).text}`;
    case "checkbox":
      return "";
    default: {
      const { tokens } = token as Tokens.Generic;
      return tokens ? inlines(tokens) : decode(token.raw);
    }
  }
}
