// Where a value comes from, and how to change it, in plain words.

import type { Bounds, FieldOptions, Layer, Notice, ProfileField } from "./types";

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
  no_such_prompt: "This server has no text of this name.",
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

/** The same, for a value that another one stands before. */
const DEFAULTS: Record<Layer, string> = {
  builtin: "Nexus's own default",
  catalog: "the default of this model",
  genesis: "the default of this server",
  group: "the default of your group",
  identity: "your own",
  request: "the one of this message",
};

export const defaultOf = (layer: Layer): string => DEFAULTS[layer] ?? `the one from ${layer}`;

export const origin = (layer: Layer): string => ORIGINS[layer] ?? `from ${layer}`;

export const lockReason = (lock: string | undefined): string =>
  LOCKS[lock ?? ""] ?? "This server does not let people change it.";

export const isPrompt = (field: string): boolean => field.startsWith("prompts.");

export const bareName = (field: string): string => field.slice(field.indexOf(".") + 1);

/** The name of a field: the template's, if it has one. */
export function label(field: string, options?: FieldOptions): string {
  const words = bareName(field).replaceAll("_", " ");
  return options?.label || LABELS[field]?.label || words.charAt(0).toUpperCase() + words.slice(1);
}

export const hint = (field: string, options?: FieldOptions): string => options?.description || LABELS[field]?.hint || "";

/** Whether a notice is about something that the person has stored. */
export const isOwn = ({ message }: Notice): boolean => /\b(set|stored) by identity\b/.test(message);

/** What the merge of settings says, with the words of this page for fields and layers. */
export function noticeWords(notice: Notice): string {
  const { code, field, message } = notice;
  const name = field.startsWith("config.") || isPrompt(field) ? `“${label(field)}”` : field;
  if (code === "field_locked" && isOwn(notice)) {
    const gone = message.includes("has no prompt of this name");
    return `${name} as you have set it is not used. ${lockReason(gone ? "no_such_prompt" : "not_editable")}`;
  }
  if (code === "unknown_field" && isOwn(notice)) return `You have stored “${bareName(field)}”, which Nexus does not know. It is not used.`;
  return message
    .replace(field, () => name)
    .replace("(set by identity)", "(set by you)")
    .replace("(set by request)", "(set for this message)")
    .replace("(set by genesis)", "(set by this server)")
    .replace(/\b(set|stored) by identity\b/, "as you have set it")
    .replace(/\b(set|stored) by genesis\b/, "as this server has it");
}

/** A text of this length is shown as it is. */
const SHORT = 40;

/** A value in a few words; long texts are shown elsewhere. */
export function display(field: string, value: unknown): string {
  if (value === null || value === undefined) return "left to the provider";
  if (isPrompt(field)) {
    const text = String(value);
    const { length } = text;
    if (length === 0) return "removed";
    if (length <= SHORT && !text.includes("\n")) return `“${text}”`;
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
export function change(field: string, from: unknown, to: unknown, options?: FieldOptions): string {
  return `${label(field, options)}: ${display(field, from)} → ${display(field, to)}`;
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
