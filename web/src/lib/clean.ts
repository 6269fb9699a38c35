// Takes out of a text what the server refuses and people cannot see: control characters other than tab
// and line ends, the characters that spell ASCII invisibly, halves of characters.

export interface Cleaned {
  text: string;
  /** How many characters were taken out. */
  removed: number;
}

/** The flags of England, Scotland and Wales: the only emoji spelled with invisible letters. */
const FLAGS = "\\u{1f3f4}\\u{e0067}\\u{e0062}(?:\\u{e0065}\\u{e006e}\\u{e0067}|\\u{e0073}\\u{e0063}\\u{e0074}|\\u{e0077}\\u{e006c}\\u{e0073})\\u{e007f}";
const REFUSED = "[\\u{0}-\\u{8}\\u{b}\\u{c}\\u{e}-\\u{1f}\\u{7f}-\\u{9f}\\u{e0000}-\\u{e007f}\\p{Cs}]";
const EITHER = new RegExp(`(${FLAGS})|${REFUSED}`, "gu");

export function clean(text: string): Cleaned {
  let removed = 0;
  const cleaned = text.replace(EITHER, (_, flag?: string) => {
    if (flag === undefined) removed += 1;
    return flag ?? "";
  });
  return { text: cleaned, removed };
}

/** What a person is told of it. */
export function cleanedWords(removed: number): string {
  if (removed === 0) return "";
  return removed === 1
    ? "1 invisible character was taken out. The rest is as it was."
    : `${removed} invisible characters were taken out. The rest is as it was.`;
}

/** Cleans what stands in a text field, and keeps the cursor where it was. Gives how many were taken out. */
export function cleanField(field: HTMLTextAreaElement | HTMLInputElement): number {
  const { text, removed } = clean(field.value);
  if (removed === 0) return 0;
  const before = clean(field.value.slice(0, field.selectionStart ?? undefined)).text.length;
  field.value = text;
  field.setSelectionRange(before, before);
  return removed;
}
