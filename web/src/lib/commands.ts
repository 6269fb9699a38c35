// Commands as a person types them: `/config.set temperature 0.3`. The same rules as in the terminal:
// arguments in the order of the description, the last one takes the rest of the line.

import { Refusal } from "./refusal";
import type { Argument, Described } from "./types";

export interface Call {
  command: Described;
  arguments: Record<string, unknown>;
}

/** Whether a text is meant as a command: a path such as /etc/hosts is not. */
export const isCommandLine = (text: string): boolean => /^\/([a-z][a-z0-9_.]*)?(\s|$)/.test(text);

/** The commands whose name begins with what was typed so far; none once arguments begin. */
export function suggestions(text: string, commands: readonly Described[]): Described[] {
  if (!/^\/[a-z_.]*$/.test(text)) return [];
  const begun = text.slice(1);
  const found = commands.filter(({ name }) => name.startsWith(begun));
  // What was typed stands first.
  return found.sort((one, other) => Number(other.name === begun) - Number(one.name === begun));
}

/** A command of this page itself. The terminal has it, too. */
export const SETTINGS: Described = {
  name: "config",
  description: "Opens your settings.",
  usage: "config",
  arguments: [],
  audience: "visitor",
  needs_signature: false,
};

/** Whether a text is a command to which nothing is missing: Enter runs it, whatever else begins like it. */
export function isWhole(text: string, commands: readonly Described[]): boolean {
  const command = commands.find(({ name }) => text.trimEnd() === `/${name}`);
  return command !== undefined && !command.arguments.some(({ required }) => required);
}

/** The command whose arguments are being typed. */
export function inProgress(text: string, commands: readonly Described[]): Described | undefined {
  const name = /^\/([a-z_.]+)\s/.exec(text)?.[1];
  return commands.find((command) => command.name === name);
}

export function parseLine(line: string, commands: readonly Described[]): Call {
  let [name, rest] = cut(line.replace(/^\//, ""));
  const command = commands.find((one) => one.name === name);
  if (!command) {
    throw new Refusal(
      `There is no command \`/${name}\`. \`/help\` lists them. To send this as a message, put a space before it.`,
    );
  }
  const given: Record<string, unknown> = {};
  for (const [index, argument] of command.arguments.entries()) {
    if (rest === "") break;
    const last = index === command.arguments.length - 1;
    const [word, after] = last ? [rest, ""] : cut(rest);
    given[argument.name] = value(argument, word, given);
    rest = after;
  }
  const missing = command.arguments.find(({ name: one, required }) => required && !(one in given));
  if (missing || rest !== "") {
    throw new Refusal(`Write it like this: \`/${command.usage}\`${missing ? `. ${missing.name} is ${missing.description}` : ""}`);
  }
  return { command, arguments: given };
}

function cut(text: string): [string, string] {
  const [, word = "", rest = ""] = /^(\S*)\s*([\s\S]*)$/.exec(text.trim()) ?? [];
  return [word, rest.trim()];
}

function value({ type }: Argument, word: string, before: Record<string, unknown>): unknown {
  if (type === "text") return word;
  if (type === "list") return word.split(",").map((one) => one.trim());
  // A model may have a number for a name.
  const model = String(before.field ?? "").replace(/^config\./, "") === "model";
  if (type === "value" && model) return word;
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(word) ? Number(word) : word;
}
