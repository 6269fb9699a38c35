// Where a value comes from, and how to change it, in plain words.

import type { Bounds, Layer, ProfileField } from "./types";

const ORIGINS: Record<Layer, string> = {
  builtin: "built into Nexus",
  catalog: "from the model's catalog row",
  genesis: "from this server's defaults",
  group: "from your group",
  identity: "from you",
  request: "from this message",
};

const LOCKS: Record<string, string> = {
  not_editable: "This server does not let people change it.",
  prompt_not_editable: "This server does not let people change this text.",
  no_such_prompt: "This server has no text of this name, so it is not used.",
};

const LABELS: Record<string, { label: string; hint: string }> = {
  "config.model": { label: "Model", hint: "Who answers you." },
  "config.temperature": { label: "Temperature", hint: "Low is steady, high is surprising." },
  "config.max_tokens": { label: "Longest answer", hint: "In tokens; a token is about ¾ of a word." },
  "config.history_context_size": {
    label: "Memory",
    hint: "How many earlier messages the model sees.",
  },
  "config.tools": { label: "Tools it may use", hint: "What your assistant can call while it answers." },
  "prompts.persona": { label: "Persona", hint: "Who your assistant is and how it speaks." },
  "prompts.system": { label: "Rules", hint: "What every assistant here is told." },
  "prompts.tools": { label: "Tools", hint: "How your assistant uses its tools." },
};

export const origin = (layer: Layer): string => ORIGINS[layer] ?? `from ${layer}`;

export const lockReason = (lock: string | undefined): string =>
  LOCKS[lock ?? ""] ?? "This server does not let people change it.";

export const isPrompt = (field: string): boolean => field.startsWith("prompts.");

export const bareName = (field: string): string => field.slice(field.indexOf(".") + 1);

export function label(field: string): string {
  const words = bareName(field).replaceAll("_", " ");
  return LABELS[field]?.label ?? words.charAt(0).toUpperCase() + words.slice(1);
}

export const hint = (field: string): string => LABELS[field]?.hint ?? "";

/** A value in a few words; long texts are shown elsewhere. */
export function display(field: string, value: unknown): string {
  if (value === null || value === undefined) return "left to the provider";
  if (isPrompt(field)) {
    const length = String(value).length;
    if (length === 0) return "removed";
    return length === 1 ? "1 character" : `${length.toLocaleString()} characters`;
  }
  if (field === "config.history_context_size") {
    return value === 1 ? "1 message" : `${String(value)} messages`;
  }
  if (field === "config.max_tokens") return `${Number(value).toLocaleString()} tokens`;
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function limits(bounds: Bounds | undefined): string {
  if (!bounds) return "";
  if (bounds.models) return `One of ${bounds.models.join(", ")}`;
  if (bounds.numbers) return `One of ${bounds.numbers.join(", ")}`;
  if (bounds.tools) return `Among ${bounds.tools.join(", ")}`;
  const { min, max } = bounds;
  const range =
    min !== undefined && max !== undefined
      ? `From ${min.toLocaleString()} to ${max.toLocaleString()}`
      : min !== undefined
        ? `At least ${min.toLocaleString()}`
        : max !== undefined
          ? `At most ${max.toLocaleString()}`
          : "";
  const steps = (bounds.steps ?? []).filter((step) => step.size !== 1).map((step) => step.size);
  if (steps.length === 0) return range;
  return range ? `${range}, in steps of ${steps.join(" and ")}` : `In steps of ${steps.join(" and ")}`;
}

/** A change in words: "Temperature: 0.8 → 0.3". A text is shown by how long it is. */
export function change(field: string, from: unknown, to: unknown): string {
  return `${label(field)}: ${display(field, from)} → ${display(field, to)}`;
}

/** What somebody at the machine runs to set a field to this value. */
export function changeCommand(key: string, field: ProfileField, value: unknown): string {
  const name = bareName(field.field);
  if (isPrompt(field.field)) return `nexus prompt set ${key} ${name} --file ${name}.md`;
  return `nexus config set ${key} ${name} ${quoted(String(value))}`;
}

/** The command that goes back to what the field hides. */
export function resetCommand(key: string, field: ProfileField): string {
  const kind = isPrompt(field.field) ? "prompt" : "config";
  return `nexus ${kind} unset ${key} ${bareName(field.field)}`;
}

function quoted(value: string): string {
  return /^[\w./:@-]+$/.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`;
}
