import { describe, expect, test } from "vitest";
import { answerText, apply, newTurn, turnsOf } from "./turns";
import type { StoredMessage } from "./types";

const NOW = new Date("2026-05-03T10:00:00Z");

function message(
  run: string,
  role: StoredMessage["role"],
  content: string,
  metadata: StoredMessage["metadata"] = {},
): StoredMessage {
  const timestamp = NOW.toISOString();
  return { id: `msg_${run}_${role}`, run_id: run, owner_key: "0x", role, content, timestamp, metadata };
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
    apply(turn, { event: "run_started", data: { run_id: "r1" } }, NOW);
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
    expect(turn!.remark).toContain("stopped");
  });
});
