// Which tools a person can turn on, and how their list is written. `docs/tools.md` has the names.

import type { ToolServer } from "./types";

export interface Choice {
  /** The name for `config.tools`. */
  name: string;
  label: string;
  description: string;
  /** The server, if this is one tool of it; it may be included with all of them. */
  server?: string;
}

export interface Group {
  name: string;
  title: string;
  /** Why the server cannot be reached. */
  away?: string;
  choices: Choice[];
}

const serverOf = (name: string): string => name.split(".", 1)[0] ?? name;

const covers = (names: string[], name: string): boolean => names.includes(name) || names.includes(serverOf(name));

/** Every box there is to tick. What is turned on already is there too, so that it can be turned off. */
export function choices(servers: ToolServer[] | undefined, allowed: string[] | undefined, chosen: string[]): Group[] {
  const may = (name: string): boolean => chosen.includes(name) || !allowed || covers(allowed, name);
  const named = [...new Set([...(allowed ?? []), ...chosen])];
  const groups = (servers ?? []).map((server): Group => {
    const known = server.tools.map(({ name, description }) => ({ name, description }));
    const missing = named.filter((name) => serverOf(name) === server.name && name.includes("."));
    for (const name of missing) {
      if (!known.some((tool) => tool.name === name)) {
        known.push({ name, description: server.reachable ? "The server has no such tool now." : "" });
      }
    }
    const builtin = server.kind === "builtin";
    const all = { name: server.name, label: "All of them", description: "Also those that it gets later." };
    const each = known.map((tool) => ({
      ...tool,
      label: builtin ? tool.name : tool.name.slice(server.name.length + 1),
      server: builtin ? undefined : server.name,
    }));
    return {
      name: server.name,
      title: builtin ? "Built in" : server.name,
      away: server.reachable ? undefined : (server.reason ?? "it does not say why"),
      choices: [...(builtin ? [] : [all]), ...each].filter((choice) => may(choice.name)),
    };
  });
  const shown = new Set(groups.map((group) => group.name));
  const others = named.filter((name) => !shown.has(serverOf(name)));
  if (others.length > 0) {
    const plain = others.map((name) => ({ name, label: name, description: "" }));
    groups.push({ name: "", title: servers ? "Others" : "Tools", choices: plain });
  }
  return groups.filter((group) => group.choices.length > 0);
}

/** Whether a tool is on because all tools of its server are. */
export const included = (choice: Choice, chosen: string[]): boolean =>
  choice.server !== undefined && chosen.includes(choice.server);

/** The list with a name turned on or off, in the order of the boxes. */
export function toggled(chosen: string[], name: string, groups: Group[]): string[] {
  const next = new Set(chosen);
  if (!next.delete(name)) next.add(name);
  const known = groups.flatMap((group) => group.choices.map((choice) => choice.name));
  return known.filter((one) => next.has(one));
}

/** The list as it is stored: without what is on anyway. */
export const written = (chosen: string[]): string[] =>
  chosen.filter((name) => !name.includes(".") || !chosen.includes(serverOf(name)));

/** Whether two lists turn on the same. */
export function sameTools(one: unknown, other: unknown): boolean {
  const plain = (list: unknown): string => JSON.stringify(Array.isArray(list) ? written(list.map(String)).sort() : list);
  return plain(one) === plain(other);
}
