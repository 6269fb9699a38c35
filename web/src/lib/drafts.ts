// Drafts: text that was typed and not sent or saved yet. Each belongs to one owner key and one place
// ("message", "prompts.persona"), so that whoever signs in next in this browser never meets it. A draft
// survives a reload, the end of a session and signing out; it goes when it is sent or saved, when its
// key is removed from this browser, and when the identity is erased.

const PREFIX = "nexus.draft.";

/** What this page has been told, for browsers that keep nothing. */
const memory = new Map<string, string>();

/** The draft of a place. A tab has its own; a new one begins with the newest. */
export function draft(owner: string, place: string): string {
  const name = nameOf(owner, place);
  return memory.get(name) ?? read("sessionStorage", name) ?? read("localStorage", name) ?? "";
}

/** Keeps a draft; an empty one is forgotten. */
export function keepDraft(owner: string, place: string, text: string): void {
  const name = nameOf(owner, place);
  const before = memory.get(name) ?? read("sessionStorage", name);
  memory.set(name, text);
  write("sessionStorage", name, text);
  // The draft of another tab is not this one's to forget.
  if (text !== "" || before === read("localStorage", name)) write("localStorage", name, text || undefined);
}

/** Forgets every draft of an owner. */
export function forgetDrafts(owner: string): void {
  const begin = nameOf(owner, "");
  for (const name of memory.keys()) if (name.startsWith(begin)) memory.delete(name);
  for (const storage of ["sessionStorage", "localStorage"] as const) {
    for (const name of names(storage)) if (name.startsWith(begin)) write(storage, name, undefined);
  }
}

/** Two texts that must both be kept, in the order in which they were typed. */
export function joined(first: string, second: string): string {
  return first && second ? `${first}\n\n${second}` : first || second;
}

const nameOf = (owner: string, place: string): string => `${PREFIX}${owner.toLowerCase()}.${place}`;

type Kind = "sessionStorage" | "localStorage";

function read(storage: Kind, name: string): string | undefined {
  try {
    return window[storage].getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

function names(storage: Kind): string[] {
  try {
    return Object.keys(window[storage]);
  } catch {
    return [];
  }
}

/** A storage that is full, or switched off, keeps nothing; the memory of the page still does. */
function write(storage: Kind, name: string, text: string | undefined): void {
  try {
    if (text === undefined) window[storage].removeItem(name);
    else window[storage].setItem(name, text);
  } catch {
    // See above.
  }
}
