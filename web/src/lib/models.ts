// Models as people choose them.

import type { Model } from "./types";

export interface ModelGroup {
  title: string;
  models: Model[];
}

/** Those that a person may choose and that answer. One that is chosen already stays in the list, and an
 * administrator also sees what is still to be set up. */
export function pickable(models: readonly Model[], isAdmin: boolean, chosen?: string): Model[] {
  return models.filter(({ name, choosable, available }) => choosable && (available || isAdmin || name === chosen));
}

/** By provider; what cannot be asked stands at the end. */
export function grouped(models: readonly Model[]): ModelGroup[] {
  const groups = new Map<string, Model[]>();
  for (const model of models.filter(({ available }) => available)) {
    groups.set(model.provider, [...(groups.get(model.provider) ?? []), model]);
  }
  const away = models.filter(({ available }) => !available);
  const listed = [...groups].map(([title, members]) => ({ title, models: members }));
  return away.length > 0 ? [...listed, { title: "Cannot be asked now", models: away }] : listed;
}

/** The name, with another one that says more than it. `why` tells an administrator what is missing. */
export function modelTitle({ name, aliases, available, reason }: Model, why = false): string {
  const other = aliases.find((alias) => plain(alias) !== plain(name));
  const title = other ? `${name} · ${other}` : name;
  if (available) return title;
  return why && reason ? `${title}: ${reason}` : `${title} (cannot be asked now)`;
}

const plain = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
