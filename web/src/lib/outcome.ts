// What a command answers, as a table that people can read. What is not known here is shown as JSON.

import { display, label, origin } from "./provenance";
import type { ApiKey, Described, Outcome, ProfileField, SessionInfo, StoredMessage } from "./types";
import { clientName } from "./format";

export interface Table {
  head: string[];
  rows: string[][];
}

/** Administrators are also told what is still to be set up. */
export function table({ command, data }: Outcome, isAdmin = false): Table | undefined {
  if (!Array.isArray(data) || data.length === 0) return undefined;
  switch (command) {
    case "help":
      return made(["Command", "What it does"], data as Described[], (it) => [`/${it.usage}`, it.description]);
    case "config.get":
    case "prompt.get":
    case "explain":
      return made(["Setting", "Value", "Where from"], data as ProfileField[], (it) => [
        label(it.field),
        display(it.field, it.value),
        origin(it.layer),
      ]);
    case "models":
      return made(["Model", "Provider", ""], data as { name: string; provider: string; unavailable?: string | null }[], (it) => [
        it.name,
        it.provider,
        it.unavailable === undefined || it.unavailable === null ? "" : isAdmin ? it.unavailable : "cannot be asked now",
      ]);
    case "history":
      return made(["When", "Who", "What"], data as StoredMessage[], (it) => [date(it.timestamp), it.role, cut(it.content)]);
    case "key.list":
      return made(["Name", "Id", "May", "Until"], data as ApiKey[], (it) => [
        it.name,
        it.id,
        it.scopes.join(", "),
        it.revoked_at ? "revoked" : date(it.expires_at),
      ]);
    case "session.list":
      return made(["Where", "Id", "Last seen"], data as SessionInfo[], (it) => [
        `${clientName(it.client)}${it.current ? " (this one)" : ""}`,
        it.id,
        date(it.last_seen_at),
      ]);
    default:
      return undefined;
  }
}

/** The secret of an API key that was just made. */
export function secretOf({ command, data }: Outcome): string | undefined {
  const token = (data as { token?: unknown } | null)?.token;
  return command === "key.create" && typeof token === "string" ? token : undefined;
}

function made<T>(head: string[], items: T[], row: (item: T) => string[]): Table {
  return { head, rows: items.map(row) };
}

const shape = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const date = (text: string): string => shape.format(new Date(text));
const cut = (text: string): string => (text.length > 120 ? `${text.slice(0, 120)}…` : text);
