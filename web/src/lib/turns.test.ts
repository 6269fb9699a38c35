import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answerText, apply, newTurn, turnsOf, type Turn } from "./turns";
import type { StoredCall, StoredMessage } from "./types";

const NOW = new Date("2026-05-03T10:00:00Z");

let made = 0;

function message(
  run: string,
  role: StoredMessage["role"],
  content: string,
  metadata: StoredMessage["metadata"] = {},
): StoredMessage {
  const timestamp = NOW.toISOString();
  made += 1;
  return { id: `msg_${made}`, run_id: run, owner_key: "0x", role, content, timestamp, metadata };
}

describe("turns", () => {
  test("stored messages of one run become one turn, in order, with the sum of what was used", () => {
    const [turn, next] = turnsOf([
      message("r1", "human", "What time is it?"),
      message("r1", "ai", "", {
        reasoning: "I need a clock.",
        tool_calls: [{ id: "c1", name: "clock", arguments: "{}" }],
        usage: { input_tokens: 10, output_tokens: 2 },
      }),
      message("r1", "tool", "10:00", { call_id: "c1", tool_name: "clock", status: "success" }),
      message("r1", "ai", "It is ten.", { usage: { input_tokens: 20, output_tokens: 3 } }),
      message("r2", "human", "Thanks"),
    ]);
    expect(turn!.parts.map((part) => part.kind)).toEqual(["reasoning", "tool", "answer"]);
    expect(turn!.usage).toEqual({ input_tokens: 30, output_tokens: 5 });
    const [, tool] = turn!.parts;
    expect(tool!.kind === "tool" && tool!.call.result).toBe("10:00");
    expect(next!.question).toBe("Thanks");
  });

  test("live events give the same turn as the stored messages", () => {
    const turn = newTurn("t", "Hi", NOW);
    apply(turn, { event: "run_started", data: { run_id: "r1", owner_key: "0xa1" } }, NOW);
    for (const chunk of ["Hel", "lo"]) {
      apply(turn, { event: "text_chunk", data: { chunk, channel: "answer" } }, NOW);
    }
    expect(turn.state).toBe("streaming");
    const ended = { run_id: "r1", status: "completed", message_ids: ["a", "b"] } as const;
    apply(turn, { event: "run_finished", data: { ...ended, message_ids: [...ended.message_ids] } }, NOW);
    const stored = turnsOf([message("r1", "human", "Hi"), message("r1", "ai", "Hello")])[0]!;
    expect(turn.parts).toEqual(stored.parts);
    expect(answerText(turn)).toBe("Hello");
    expect(turn.state).toBe("finished");
  });

  test("a failed run always says so", () => {
    const turn = newTurn("t", "Hi", NOW);
    apply(turn, { event: "run_finished", data: { run_id: "r", status: "failed", message_ids: [] } }, NOW);
    expect(turn.problem?.retryable).toBe(true);
  });

  test("an event of a later server is passed over", () => {
    const turn = newTurn("t", "Hi", NOW);
    apply(turn, { event: "something_new", data: {} } as never, NOW);
    expect(turn).toEqual(newTurn("t", "Hi", NOW));
  });

  test("an answer that broke off is marked", () => {
    const [turn] = turnsOf([message("r", "ai", "Hel", { interrupted: "cancelled" })]);
    expect(turn!.remark).toContain("Stopped");
    expect(turn!.isOpen).toBe(true);
  });
});

describe("why there is no whole answer", () => {
  const error = { code: "provider_rejected", message: "not today", retryable: false };
  const usage = { input_tokens: 7, output_tokens: 3 };

  test("P3: a question that failed says why after a reload, as it did at once", () => {
    const live = newTurn("r", "Why?", NOW);
    apply(live, { event: "run_started", data: { run_id: "r", owner_key: "0xa1", message_id: "m" } }, NOW);
    apply(live, { event: "error", data: error }, NOW);
    apply(live, { event: "run_finished", data: { run_id: "r", status: "failed", usage, message_ids: [] } }, NOW);
    const facts = { interrupted: error.code, error, usage };
    const [stored] = turnsOf([message("r", "human", "Why?", facts)]);
    const told = ({ problem, remark, usage: used, isOpen, isStored }: Turn): object => ({ problem, remark, used, isOpen, isStored });
    expect(told(stored!)).toEqual(told(live));
    expect(stored!.problem!.title).toBe("The provider refused this request");
    // While it is asked again, the old reason is none.
    const [again] = turnsOf([message("r", "human", "Why?", facts)], new Set(["r"]));
    expect([again!.problem, again!.state]).toEqual([undefined, "elsewhere"]);
  });

  test("P3: an answer that broke off says why, and what was used, after a reload", () => {
    const [stored] = turnsOf([
      message("r", "human", "Why?"),
      message("r", "ai", "Because", { interrupted: "provider_interrupted", error: { ...error, code: "provider_interrupted" }, usage }),
    ]);
    expect([stored!.problem!.title, stored!.remark, stored!.usage, stored!.isOpen]).toEqual(["The answer broke off", undefined, usage, true]);
  });

  test("P3: after tools, what the question keeps is told last, and all that was used is added up", () => {
    const calls = { tool_calls: [{ id: "c", name: "clock", arguments: {} }], finish_reason: "tool_calls", usage };
    const [stored] = turnsOf([
      message("r", "human", "Why?", { interrupted: error.code, error, usage }),
      message("r", "ai", "", calls),
    ]);
    expect([stored!.problem!.title, stored!.isOpen]).toEqual(["The provider refused this request", true]);
    expect(stored!.usage).toEqual({ input_tokens: 14, output_tokens: 6 });
  });

  test("P3: a server that was stopped meanwhile is named, live and stored, and one can ask again", () => {
    for (const text of ["Bec", ""]) {
      const live = newTurn("r", "Why?", NOW);
      if (text) apply(live, { event: "text_chunk", data: { chunk: text, channel: "answer" } }, NOW);
      apply(live, { event: "run_finished", data: { run_id: "r", status: "interrupted", interrupted: "shutdown", message_ids: [] } }, NOW);
      const facts = { interrupted: "shutdown" };
      const [stored] = turnsOf(text ? [message("r", "human", "Why?"), message("r", "ai", text, facts)] : [message("r", "human", "Why?", facts)]);
      expect(stored!.remark).toBe(live.remark);
      expect(stored!.remark).toMatch(text ? /^The server was stopped .* This is what came/ : /^The server was stopped .* Nothing had come/);
      expect([stored!.isOpen, live.isOpen]).toEqual([true, true]);
    }
  });
});

describe("answers that are not whole", () => {
  const ended = (finish_reason?: string, status: "completed" | "interrupted" = "completed"): Turn => {
    const turn = newTurn("t", "Hi", NOW);
    apply(turn, { event: "text_chunk", data: { chunk: "Hel", channel: "answer" } }, NOW);
    apply(turn, { event: "run_finished", data: { run_id: "r", status, message_ids: [], finish_reason } }, NOW);
    return turn;
  };

  test("P7: what was cut by the limit or a filter says so, live and stored, and what is whole does not", () => {
    for (const [reason, said] of [["length", "longest length"], ["content_filter", "content filter"]] as const) {
      expect(ended(reason).remark).toContain(said);
      expect(turnsOf([message("r", "ai", "Hel", { finish_reason: reason })])[0]!.remark).toContain(said);
    }
    for (const reason of ["stop", "tool_calls", undefined]) {
      expect(ended(reason).remark).toBeUndefined();
      expect(turnsOf([message("r", "ai", "Hel", { finish_reason: reason })])[0]!.remark).toBeUndefined();
    }
  });

  test("P7: only the last round of a run with tools tells whether the answer was cut", () => {
    const [turn] = turnsOf([
      message("r", "ai", "", { tool_calls: [{ id: "c", name: "clock", arguments: {} }], finish_reason: "length" }),
      message("r", "ai", "Whole.", { finish_reason: "stop" }),
    ]);
    expect(turn!.remark).toBeUndefined();
  });

  test("P3: a question whose answer is being written says so, and one without can be asked again", () => {
    const messages = [message("r1", "human", "one"), message("r2", "human", "two")];
    const [first, second] = turnsOf(messages, new Set(["r2"]));
    expect([first!.isOpen, first!.remark]).toEqual([true, "There is no answer to this."]);
    expect([second!.state, second!.isOpen, second!.remark]).toEqual(["elsewhere", undefined, "An answer is being written…"]);
  });
});

describe("calls of tools", () => {
  test("P9: calls and results as the original stored them belong together", () => {
    const shapes = [
      [{ id: "c1", name: "clock", args: { zone: "UTC" } }, { tool_call_id: "c1", tool_name: "clock" }],
      [{ id: "c1", name: "clock", args: { zone: "UTC" } }, { tool_name: "clock" }],
      [{ name: "clock", arguments: { zone: "UTC" } }, {}],
      [{ id: "c1", function: { name: "clock", arguments: { zone: "UTC" } } }, { tool_name: "clock" }],
    ] as const;
    for (const [call, result] of shapes) {
      const [turn] = turnsOf([message("r", "ai", "", { tool_calls: [call] }), message("r", "tool", "10:00", result)]);
      const shown = { name: "clock", args: { zone: "UTC" }, status: "success", result: "10:00" };
      expect(turn!.parts).toHaveLength(1);
      expect(turn!.parts[0]).toMatchObject({ kind: "tool", call: shown });
    }
  });

  test("P9: results without ids go to the calls of their tools, in order", () => {
    const call = (name: string): StoredCall => ({ name, args: {} });
    const [turn] = turnsOf([
      message("r", "ai", "", { tool_calls: [call("a"), call("b"), call("a")] }),
      message("r", "tool", "of b", { tool_name: "b" }),
      message("r", "tool", "first of a", { tool_name: "a" }),
      message("r", "tool", "second of a", { tool_name: "a" }),
    ]);
    const results = turn!.parts.map((part) => part.kind === "tool" && part.call.result);
    expect(results).toEqual(["first of a", "of b", "second of a"]);
  });
});

/** Everything that a turn shows, in order. */
function shown({ question, parts }: Turn): string[] {
  const texts = parts.map((part) => (part.kind === "tool" ? (part.call.result ?? "") : part.text));
  return [question, ...texts].filter((text) => text !== "");
}

/** Some of the messages that a run can leave behind. Each text is there once. */
const RUN = fc.record({
  asks: fc.boolean(),
  rounds: fc.nat(2),
  answers: fc.boolean(),
});

/** Runs whose messages arrived in any order that keeps the order within each run. */
const INTERLEAVED = fc
  .tuple(fc.array(RUN, { minLength: 1, maxLength: 5 }), fc.infiniteStream(fc.nat(4)))
  .map(([runs, choices]) => {
    const queues = runs.map(({ asks, rounds, answers }, index) => {
      const run = `run_${index}`;
      const queue: StoredMessage[] = [];
      const add = (role: StoredMessage["role"], metadata: StoredMessage["metadata"] = {}): void => {
        queue.push(message(run, role, `${run} ${queue.length}`, metadata));
      };
      if (asks) add("human");
      for (let round = 0; round < rounds; round += 1) {
        add("ai", { tool_calls: [{ id: "call", name: "clock", arguments: {} }] });
        add("tool", { call_id: "call", tool_name: "clock", status: "success" });
      }
      if (answers) add("ai");
      return queue;
    });
    const messages: StoredMessage[] = [];
    for (const choice of choices) {
      const left = queues.filter((queue) => queue.length > 0);
      if (left.length === 0) break;
      messages.push(left[choice % left.length]!.shift()!);
    }
    return messages;
  });

describe("runs that overlap", () => {
  test("P1: two runs of one person are two turns, each with its question and its answer", () => {
    const turns = turnsOf([
      message("a", "human", "one"),
      message("b", "human", "two"),
      message("a", "ai", "answer one"),
      message("b", "ai", "answer two"),
    ]);
    expect(turns.map(shown)).toEqual([["one", "answer one"], ["two", "answer two"]]);
    expect(new Set(turns.map(({ id }) => id)).size).toBe(2);
  });

  test("P1: in any order, every message is shown once, in the turn of its run, under an id of its own", () => {
    let overlapping = 0;
    fc.assert(
      fc.property(INTERLEAVED, fc.nat(6), (messages, doubled) => {
        // Pages may overlap too.
        const turns = turnsOf([...messages, ...messages.slice(messages.length - doubled)]);
        const runs = messages.map(({ run_id }) => run_id);
        if (runs.some((run, index) => run !== runs[index - 1] && runs.lastIndexOf(run, index - 1) >= 0)) overlapping += 1;
        expect(new Set(turns.map(({ id }) => id)).size).toBe(turns.length);
        expect(turns.map(({ runId }) => runId)).toEqual([...new Set(runs)]);
        for (const turn of turns) {
          const own = messages.filter(({ run_id }) => run_id === turn.runId);
          // The calls of one run have one id here, as some providers repeat them.
          expect(shown(turn).join(" ").split(" ").sort()).toEqual(own.map(({ content }) => content).join(" ").split(" ").sort());
        }
      }),
      { numRuns: 500 },
    );
    expect(overlapping).toBeGreaterThan(50);
  });

  test("P1: two questions under one run, and messages without a run, are shown too", () => {
    const turns = turnsOf([
      message("r", "human", "first"),
      message("r", "human", "again"),
      message("r", "ai", "answer"),
      message("", "human", "from another program"),
      message("", "ai", "alone"),
    ]);
    expect(turns.map(shown)).toEqual([["first"], ["again", "answer"], ["from another program"], ["alone"]]);
    expect(new Set(turns.map(({ id }) => id)).size).toBe(4);
  });

  test("a date that is none does not keep a message from being shown", () => {
    const [turn] = turnsOf([{ ...message("r", "human", "Hi"), timestamp: "yesterday" }]);
    expect(turn!.askedAt.toISOString()).toBe("1970-01-01T00:00:00.000Z");
  });
});
