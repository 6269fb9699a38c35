// Drafts: text that was typed and not sent or saved yet. Each belongs to one owner key and one place
// ("message", "prompts.persona"), so that whoever signs in next in this browser never meets it. A draft
// survives a reload, the end of a session and signing out; it goes when it is sent or saved, when its
// key is removed from this browser, and when the identity is erased.
//
// Each open tab has a slot of its own for an owner, and holds a lock on it: tabs never write over each
// other. A tab that has nothing takes what a closed one left behind. Browsers have locks only for pages
// that came over https or from this machine; elsewhere a draft stays with its tab.

const PREFIX = "nexus.draft.";
const SLOTS = "nexus.drafts.";

/** How long the page before a reload may take to let go, in milliseconds. A tab that was duplicated
 * waits as long: it knows the slot of the other. */
const LETTING_GO = 500;
/** Drafts never keep anybody from signing in. */
const LONGEST_WAIT = 2000;

/** What this page has been told, for browsers that keep nothing. */
const memory = new Map<string, string>();
/** The slots that this page has or had, by owner. */
const slots = new Map<string, string>();
let letGo: (() => void) | undefined;

/** Takes a slot for this tab, and what closed tabs left behind into it. */
export async function holdDrafts(owner: string): Promise<void> {
  releaseDrafts();
  if (!globalThis.navigator?.locks) return;
  const key = owner.toLowerCase();
  try {
    const known = slots.get(key) ?? read("sessionStorage", SLOTS + key);
    const own = known && (await hold(lockName(key, known), { signal: AbortSignal.timeout(LETTING_GO) }));
    const slot = own ? known : `${Date.now()}-${Math.random().toString(36).slice(2)}`;
    letGo = own || (await hold(lockName(key, slot), {}));
    slots.set(key, slot);
    write("sessionStorage", SLOTS + key, slot);
    // One tab after the other: two must not take the same.
    await navigator.locks.request(PREFIX + key, { signal: AbortSignal.timeout(LONGEST_WAIT) }, () => inherit(key, slot));
  } catch {
    // What closed tabs left behind is there the next time.
  }
}

/** Lets other tabs take what is left here: nobody is signed in any more. */
export function releaseDrafts(): void {
  letGo?.();
  letGo = undefined;
}

/** The draft of a place in this tab. */
export function draft(owner: string, place: string): string {
  const { storage, name } = whereIs(owner, place);
  return memory.get(name) ?? read(storage, name) ?? "";
}

/** Keeps a draft; an empty one is forgotten. */
export function keepDraft(owner: string, place: string, text: string): void {
  const { storage, name } = whereIs(owner, place);
  if (write(storage, name, text || undefined)) memory.delete(name);
  else memory.set(name, text);
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

/** Moves the newest draft of each place that no open tab holds into a slot that has none there. */
async function inherit(owner: string, slot: string): Promise<void> {
  const { held = [] } = await navigator.locks.query();
  const locked = new Set(held.map(({ name }) => name));
  const begin = nameOf(owner, "");
  const left = names("localStorage").flatMap((name) => {
    if (!name.startsWith(begin)) return [];
    const [place = "", of = ""] = name.slice(begin.length).split("@");
    return locked.has(lockName(owner, of)) ? [] : [{ name, place, of }];
  });
  for (const { name, place } of left.sort((one, other) => (one.of < other.of ? 1 : -1))) {
    const text = read("localStorage", name);
    const own = `${begin}${place}@${slot}`;
    if (text && !read("localStorage", own) && write("localStorage", own, text)) write("localStorage", name, undefined);
  }
}

/** Gives what lets go of a lock, once it is held; nothing when the wait for it ended before. */
function hold(name: string, options: LockOptions): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    const held = (): Promise<void> => new Promise((release) => resolve(release));
    navigator.locks.request(name, options, held).catch(() => resolve(undefined));
  });
}

const nameOf = (owner: string, place: string): string => `${PREFIX}${owner.toLowerCase()}.${place}`;
const lockName = (owner: string, slot: string): string => `${PREFIX}${owner}@${slot}`;

function whereIs(owner: string, place: string): { storage: Kind; name: string } {
  const slot = slots.get(owner.toLowerCase());
  const name = nameOf(owner, place);
  return slot ? { storage: "localStorage", name: `${name}@${slot}` } : { storage: "sessionStorage", name };
}

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

/** Gives whether it was written: a storage that is full, or switched off, keeps nothing. */
function write(storage: Kind, name: string, text: string | undefined): boolean {
  try {
    if (text === undefined) window[storage].removeItem(name);
    else window[storage].setItem(name, text);
    return true;
  } catch {
    return false;
  }
}
