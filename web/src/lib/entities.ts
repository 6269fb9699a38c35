// Character references (`&amp;`, `&#8364;`), decoded as CommonMark says. The browser knows the names.

const REFERENCE = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z][a-zA-Z0-9]{1,31}));/g;

/** No reference stands for it by name. */
const SEPARATOR = "\u{E000}";

const known = new Map<string, string>();

/** Longer lists of names than there are names are made up. */
const MOST_NAMES = 3000;

export function decode(text: string): string {
  if (!text.includes("&")) return text;
  const names = new Set<string>();
  for (const [, , , name] of text.matchAll(REFERENCE)) if (name && !known.has(name)) names.add(name);
  if (names.size > 0) learn([...names]);
  return text.replace(REFERENCE, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name) return known.get(name) ?? whole;
    return character(decimal ? Number.parseInt(decimal, 10) : Number.parseInt(hex!, 16));
  });
}

/** All of them at once, in a document that runs and loads nothing: there is no tag in it. */
function learn(names: string[]): void {
  const source = names.map((name) => `&${name};`).join(SEPARATOR);
  const { body } = new DOMParser().parseFromString(source, "text/html");
  const values = (body.textContent ?? "").split(SEPARATOR);
  if (known.size > MOST_NAMES) known.clear();
  for (const [index, name] of names.entries()) known.set(name, values[index] ?? `&${name};`);
}

function character(code: number): string {
  const isNone = code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff);
  return isNone ? "\u{FFFD}" : String.fromCodePoint(code);
}
