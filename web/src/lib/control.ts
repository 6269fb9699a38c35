// Which control a field has, from what the template says about it, and whether a value may be saved:
// the rules of the server, asked before anybody signs.

import { compare, decimal, isOnGrid, limit } from "./decimal";
import { modelTitle, pickable } from "./models";
import { isPrompt, limits } from "./provenance";
import type { Bounds, FieldOptions, Model, ProfileField } from "./types";

export interface Choice {
  value: string;
  title: string;
}

export type Control =
  | { kind: "text"; lines: number; names?: string[] }
  | { kind: "select"; choices: Choice[] }
  | { kind: "tools" }
  | { kind: "number"; slider: boolean; step: number };

/** What else a control depends on. */
export interface Surroundings {
  options: FieldOptions | undefined;
  models: Model[] | undefined;
  /** Administrators may choose what cannot be asked yet. */
  isAdmin: boolean;
}

/** The longest text of a prompt, in bytes; the server has the same. */
const LONGEST_BYTES = 32 * 1024;

export function controlOf(field: ProfileField, around: Surroundings): Control {
  const { options } = around;
  const bounds = field.bounds ?? {};
  if (field.field === "config.tools") return { kind: "tools" };
  if (field.field === "config.model") return modelControl(field, around);
  if (isPrompt(field.field)) {
    const texts = bounds.texts ?? (options?.type === "select" ? strings(options.options) : undefined);
    if (texts) return { kind: "select", choices: texts.map(textChoice) };
    return { kind: "text", lines: options?.type === "text" ? 1 : 6 };
  }
  if (bounds.numbers) return { kind: "select", choices: bounds.numbers.map(String).map((value) => ({ value, title: value })) };
  const isRange = bounds.min !== undefined && bounds.max !== undefined;
  const slides = options?.type === undefined || options.type === "slider";
  const step = bounds.steps?.find(({ size }) => size !== 1)?.size ?? (bounds.steps?.length ? 1 : 0.1);
  return { kind: "number", slider: isRange && slides, step };
}

function modelControl(field: ProfileField, { options, models, isAdmin }: Surroundings): Control {
  const known = models && pickable(models, isAdmin, String(field.value));
  const allowed = field.bounds?.models;
  if (options?.type === "text") return { kind: "text", lines: 1, names: (known ?? []).map(({ name }) => name) };
  // The template's own order, where it has one.
  const order = strings(options?.options) ?? [];
  const place = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
  const listed = known ?? [];
  if (listed.length === 0) return { kind: "select", choices: (allowed ?? []).map((value) => ({ value, title: value })) };
  const sorted = listed.toSorted((a, b) => Number(b.available) - Number(a.available) || place(a.name) - place(b.name));
  return { kind: "select", choices: sorted.map((model) => ({ value: model.name, title: modelTitle(model) })) };
}

const strings = (values: unknown[] | undefined): string[] | undefined => values?.filter((one) => typeof one === "string");

function textChoice(value: string): Choice {
  const first = value.trim().split("\n", 1)[0] ?? "";
  if (value === "") return { value, title: "Nothing: leave this part out" };
  return { value, title: first.length > 90 ? `${first.slice(0, 90)}…` : first };
}

/** The catalog name of what was typed, which may be an alias or an id. */
export function modelNamed(typed: string, models: Model[] | undefined): string {
  const found = models?.find(({ name, id, aliases }) => [name, id, ...aliases].includes(typed.trim()));
  return found?.name ?? typed.trim();
}

/** Why a value may not be saved, in a sentence; nothing when it may. */
export function refused(field: ProfileField, typed: string, models?: Model[]): string {
  const bounds = field.bounds ?? {};
  if (field.field === "config.tools") return "";
  if (field.field === "config.model") return modelRefused(typed, bounds, models);
  return isPrompt(field.field) ? textRefused(typed, bounds) : numberRefused(typed, field);
}

function modelRefused(typed: string, bounds: Bounds, models: Model[] | undefined): string {
  if (!models || typed === "") return "";
  const name = modelNamed(typed, models);
  const found = models.find((model) => model.name === name);
  const isOpen = found?.choosable && (bounds.models?.includes(name) ?? true);
  return isOpen ? "" : `There is no model “${typed}” that you may choose.`;
}

function textRefused(text: string, { texts, max_length: longest }: Bounds): string {
  if (texts && !texts.includes(text)) return "Choose one of the texts that this server offers.";
  const length = [...text].length;
  if (longest !== undefined && length > longest) {
    return `At most ${longest.toLocaleString()} characters; this has ${length.toLocaleString()}. Shorten it by ${(length - longest).toLocaleString()}.`;
  }
  const bytes = new TextEncoder().encode(text).length;
  return bytes > LONGEST_BYTES ? `This text is too long: ${kilobytes(bytes)}, and there is room for ${kilobytes(LONGEST_BYTES)}.` : "";
}

const kilobytes = (bytes: number): string => `${Math.ceil(bytes / 1024).toLocaleString()} KiB`;

function numberRefused(typed: string, { field, bounds = {} }: ProfileField): string {
  if (typed.trim() === "") return "";
  const number = decimal(typed);
  if (!number) return "Write a number, such as 0.7.";
  const { min, max, numbers, steps = [] } = bounds;
  const said = `${limits(bounds)}.`;
  if (numbers && !numbers.some((one) => compare(number, limit(one)) === 0)) return said;
  if (min !== undefined && compare(number, limit(min)) < 0) return `${typed} is too small.`;
  if (max !== undefined && compare(number, limit(max)) > 0) return `${typed} is too large.`;
  const off = steps.find(({ size, origin }) => !isOnGrid(number, limit(size), limit(origin)));
  if (off?.size === 1 && Number.isInteger(off.origin)) return "Whole numbers only.";
  if (off) return `${typed} lies between two steps.`;
  const isWhole = field === "config.temperature" || isOnGrid(number, limit(1), limit(0));
  return isWhole ? "" : "Whole numbers only.";
}
