// A turn is a question and everything that came of it. Stored messages and live events both become
// turns, so that a conversation looks the same while it happens and afterwards.

import { splitThought } from "./thought";
import type { Problem } from "./problem";
import type { AnsweredBy, Notice, Outcome, RunEvent, RunFinished, StoredCall, StoredMessage, Usage } from "./types";
import { fromEvent } from "./problem";

export interface ToolCall {
  id: string;
  name: string;
  args: unknown;
  status: "running" | "success" | "error";
  result?: string;
}

export type Part =
  | { kind: "answer" | "reasoning" | "guidance"; text: string }
  | { kind: "tool"; call: ToolCall };

export interface Turn {
  id: string;
  question: string;
  /** The model that was picked for this question alone. */
  picked?: string;
  askedAt: Date;
  answeredAt?: Date;
  parts: Part[];
  /** `elsewhere`: it is being written, and this page does not read along. */
  state: "waiting" | "streaming" | "elsewhere" | "finished" | "stopped" | "failed";
  model?: AnsweredBy;
  usage?: Usage;
  notices: Notice[];
  problem?: Problem;
  /** What a reader should know about how it ended. */
  remark?: string;
  runId?: string;
  /** Whether the server has the question, so that it can be asked again without being stored twice. */
  isStored?: boolean;
  /** Whether asking again may give an answer, or a whole one. */
  isOpen?: boolean;
  /** The person has asked to stop it. */
  stopping?: boolean;
  /** Set for a command: what came of it. It is not part of the conversation that is stored. */
  outcome?: Outcome | "none";
}

const UNANSWERED = "There is no answer to this.";
const WRITING = "An answer is being written…";

export function newTurn(id: string, question: string, askedAt: Date): Turn {
  return { id, question, askedAt, parts: [], state: "waiting", notices: [] };
}

/** Stored messages, oldest first, as turns, in the order in which the runs began. Runs may overlap,
 * and pages may: each message is shown once, in the turn of its run, and no two turns have one id.
 * `writing` are the runs that have not ended. */
export function turnsOf(messages: readonly StoredMessage[], writing: ReadonlySet<string> = new Set()): Turn[] {
  const turns = new Map<string, Turn>();
  const latest = new Map<string, Turn>();
  const questions = new Map<Turn, StoredMessage["metadata"]>();
  const seen = new Set<string>();
  for (const message of messages) {
    if (seen.has(message.id)) continue;
    seen.add(message.id);
    const run = message.run_id || message.id;
    let turn = latest.get(run);
    // A second question of one run begins a turn of its own.
    if (!turn || (message.role === "human" && turn.question !== "")) {
      const id = turn ? `${run}/${message.id}` : run;
      turn = newTurn(id, "", instant(message.timestamp));
      turn.runId = message.run_id;
      turn.state = "finished";
      latest.set(run, turn);
      turns.set(id, turn);
    }
    addStored(turn, message);
    if (message.role === "human") questions.set(turn, message.metadata);
  }
  // A question keeps why there is no answer to it, or none after its last tools.
  for (const [turn, metadata] of questions) addEnding(turn, metadata);
  for (const [run, turn] of latest) {
    if (writing.has(run)) {
      turn.state = "elsewhere";
      turn.remark = WRITING;
      turn.problem = undefined;
    }
  }
  for (const turn of turns.values()) {
    if (turn.parts.length > 0 || turn.state === "elsewhere") continue;
    if (!turn.problem) turn.remark ??= UNANSWERED;
    turn.isOpen = turn.isStored;
  }
  return [...turns.values()];
}

/** A moment, or the beginning of time when the text is none: one bad date must not hide a conversation. */
function instant(text: string): Date {
  const at = new Date(text);
  return Number.isNaN(at.valueOf()) ? new Date(0) : at;
}

function addStored(turn: Turn, message: StoredMessage): void {
  const { metadata } = message;
  const at = instant(message.timestamp);
  switch (message.role) {
    case "human":
      turn.isStored = true;
      turn.question = message.content;
      turn.askedAt = at;
      break;
    case "ai":
      if (metadata.reasoning) append(turn, "reasoning", metadata.reasoning);
      if (message.content) append(turn, "answer", message.content);
      for (const stored of metadata.tool_calls ?? []) turn.parts.push({ kind: "tool", call: storedCall(stored) });
      turn.answeredAt = at;
      turn.remark = cut(metadata.finish_reason);
      turn.problem = undefined;
      turn.isOpen = false;
      addEnding(turn, metadata);
      break;
    case "tool":
      finishCall(turn, {
        call_id: metadata.call_id ?? metadata.tool_call_id ?? openCall(turn, metadata.tool_name) ?? message.id,
        tool_name: metadata.tool_name ?? "tool",
        status: metadata.status ?? "success",
        result: message.content,
      });
      break;
    case "system":
      append(turn, "guidance", message.content);
      break;
  }
}

/** Who answered, what was used, and why it is no whole answer. */
function addEnding(turn: Turn, { model, usage, interrupted, error }: StoredMessage["metadata"]): void {
  turn.model = model ?? turn.model;
  if (usage) turn.usage = sum(turn.usage, usage);
  if (!interrupted) return;
  turn.isOpen = interrupted !== "tool_limit";
  if (error) {
    turn.problem = fromEvent(error);
    turn.remark = undefined;
  } else {
    turn.remark = interruption(interrupted, turn.parts.length > 0);
  }
}

/** A call, as this server stores it or as the original did. */
function storedCall({ id, name, arguments: given, args, function: called }: StoredCall): ToolCall {
  const known = name ?? called?.name ?? "tool";
  return { id: id ?? known, name: known, args: given ?? args ?? called?.arguments, status: "running" };
}

/** The call that a result without an id belongs to: the first that has none yet, of this tool if it is named. */
function openCall(turn: Turn, name: string | undefined): string | undefined {
  for (const part of turn.parts) {
    const isOpen = part.kind === "tool" && part.call.status === "running";
    if (isOpen && (name === undefined || part.call.name === name)) return part.call.id;
  }
  return undefined;
}

/** Makes a turn ready to be answered anew. */
export function reset(turn: Turn): void {
  turn.parts = [];
  turn.notices = [];
  turn.state = "waiting";
  turn.remark = turn.problem = turn.usage = turn.answeredAt = turn.isOpen = turn.stopping = undefined;
}

/** What one event of a running run does to its turn. */
export function apply(turn: Turn, event: RunEvent, now: Date): void {
  switch (event.event) {
    case "run_started":
      turn.runId = event.data.run_id;
      turn.isStored = event.data.message_id !== undefined;
      turn.notices = event.data.notices ?? [];
      break;
    case "notice":
      turn.notices.push(event.data);
      break;
    case "text_chunk":
      turn.state = "streaming";
      append(turn, event.data.channel, event.data.chunk);
      break;
    case "tool_call_started": {
      const { call_id: id, tool_name: name, args } = event.data;
      turn.state = "streaming";
      turn.parts.push({ kind: "tool", call: { id, name, args, status: "running" } });
      break;
    }
    case "tool_call_finished":
      finishCall(turn, event.data);
      break;
    case "error":
      turn.problem = fromEvent(event.data);
      break;
    case "run_finished":
      finish(turn, event.data, now);
      break;
  }
}

function finish(turn: Turn, run: RunFinished, now: Date): void {
  turn.answeredAt = now;
  turn.model = run.model;
  turn.usage = run.usage;
  turn.state = run.status === "failed" ? "failed" : "finished";
  turn.isOpen = run.status === "failed" || run.status === "interrupted";
  turn.remark = cut(run.finish_reason);
  const hasParts = turn.parts.length > 0;
  if (run.status === "tool_limit") turn.remark = interruption("tool_limit", hasParts);
  if (run.status === "interrupted" && !turn.problem) {
    turn.remark = interruption(run.interrupted ?? (turn.stopping ? "cancelled" : true), hasParts);
  }
  if (run.status === "failed") {
    turn.problem ??= {
      title: "No answer this time",
      detail: "The server could not finish this run.",
      retryable: true,
    };
  }
}

function append(turn: Turn, kind: "answer" | "reasoning" | "guidance", text: string): void {
  const last = turn.parts.at(-1);
  if (last?.kind === kind) last.text += text;
  else turn.parts.push({ kind, text });
}

function finishCall(
  turn: Turn,
  ended: { call_id: string; tool_name: string; status: string; result: string },
): void {
  const status = ended.status === "success" ? "success" : "error";
  for (const part of turn.parts) {
    if (part.kind === "tool" && part.call.id === ended.call_id && part.call.status === "running") {
      part.call.status = status;
      part.call.result = ended.result;
      return;
    }
  }
  const { call_id: id, tool_name: name, result } = ended;
  turn.parts.push({ kind: "tool", call: { id, name, args: undefined, status, result } });
}

function sum(before: Usage | undefined, usage: Usage): Usage {
  return {
    input_tokens: (before?.input_tokens ?? 0) + usage.input_tokens,
    output_tokens: (before?.output_tokens ?? 0) + usage.output_tokens,
  };
}

/** Why an answer is not whole. A provider's failure has its own code, and its own words. */
const INTERRUPTIONS: Record<string, string> = {
  cancelled: "Stopped.",
  shutdown: "The server was stopped while it wrote this answer.",
};

function interruption(why: string | boolean, hasParts: boolean): string {
  if (why === "tool_limit") return "It wanted more tool calls than this server allows.";
  const said = INTERRUPTIONS[String(why)] ?? "This answer broke off.";
  return hasParts ? `${said} This is what came until then.` : `${said} Nothing had come until then.`;
}

/** An answer that ends in the middle looks finished otherwise. */
function cut(reason: string | undefined): string | undefined {
  if (reason === "length") return "This answer was cut off: it reached the longest length that is set (maximum tokens).";
  if (reason === "content_filter") return "This answer was cut off by the provider's content filter.";
  return undefined;
}

/** The answer alone, for copying and for screen readers. */
export function answerText(turn: Turn): string {
  const texts = turn.parts.flatMap((part) => {
    if (part.kind === "guidance") return [part.text];
    return part.kind === "answer" ? [splitThought(part.text, true).answer] : [];
  });
  return texts.filter((text) => text !== "").join("\n\n");
}
