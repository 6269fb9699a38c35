import { describe, expect, test } from "vitest";
import { answeredBy, dayName, pretty, shortKey } from "./format";
import { sentence } from "./problem";
import { changeCommand, display, limits, lockReason, origin, resetCommand } from "./provenance";
import { sigil } from "./sigil";
import type { ProfileField } from "./types";

const KEY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

function field(name: string, value: unknown): ProfileField {
  return { field: name, value, layer: "genesis", shadowed: [], editable: true };
}

describe("words for people", () => {
  test("a day is named by its distance", () => {
    const now = new Date(2026, 4, 3, 1);
    expect(dayName(new Date(2026, 4, 3, 0), now)).toBe("Today");
    expect(dayName(new Date(2026, 4, 2, 23), now)).toBe("Yesterday");
    expect(dayName(new Date(2026, 0, 1), now)).not.toContain("2026");
    expect(dayName(new Date(2025, 0, 1), now)).toContain("2025");
  });

  test("a key is shortened in the middle", () => {
    expect(shortKey(KEY)).toBe("0x5aAe…eAed");
  });

  test("who answered is told without saying a name twice", () => {
    expect(answeredBy({ name: "echo", provider: "builtin", id: "echo" })).toBe("at builtin");
    expect(answeredBy({ name: "local", provider: "local", id: "qwen3:8b" })).toBe("(qwen3:8b)");
    expect(answeredBy({ name: "auto", provider: "router", id: "a/b" })).toBe("(a/b) at router");
  });

  test("what is no JSON is shown as it is", () => {
    expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(pretty('{"a":')).toBe('{"a":');
  });

  test("a message of the server becomes a sentence, a name stays a name", () => {
    expect(sentence("the body must be JSON")).toBe("The body must be JSON.");
    expect(sentence("max_tokens is too high")).toBe("max_tokens is too high.");
    expect(sentence("try `nexus init`")).toBe("Try `nexus init`");
  });
});

describe("provenance", () => {
  test("every layer has plain words", () => {
    expect(origin("identity")).toBe("from you");
    expect(origin("genesis")).toBe("from this server's defaults");
    expect(origin("catalog")).toBe("from the model's catalog row");
    expect(lockReason("something_new")).not.toBe("");
  });

  test("values are told with what they count", () => {
    expect(display("config.history_context_size", 1)).toBe("1 message");
    expect(display("config.temperature", null)).toBe("left to the provider");
    expect(display("prompts.persona", "")).toBe("removed");
  });

  test("limits are told in words", () => {
    expect(limits({ min: 0, max: 2, steps: [{ size: 0.1, origin: 0 }] })).toBe(
      "From 0 to 2, in steps of 0.1",
    );
    expect(limits({ min: 1, steps: [{ size: 1, origin: 0 }] })).toBe("At least 1");
    expect(limits({ models: ["a", "b"] })).toBe("One of a, b");
    expect(limits(undefined)).toBe("");
  });

  test("commands can be pasted as they are", () => {
    expect(changeCommand(KEY, field("config.temperature", 0.5), 0.5)).toBe(
      `nexus config set ${KEY} temperature 0.5`,
    );
    expect(changeCommand(KEY, field("config.model", "x"), "it's; rm -rf")).toBe(
      String.raw`nexus config set ${KEY} model 'it'\''s; rm -rf'`,
    );
    expect(changeCommand(KEY, field("prompts.persona", "x"), "y")).toBe(
      `nexus prompt set ${KEY} persona --file persona.md`,
    );
    expect(resetCommand(KEY, field("prompts.persona", "x"))).toBe(`nexus prompt unset ${KEY} persona`);
  });
});

describe("the mark of a person", () => {
  test("is the same however the key is written, and differs between keys", () => {
    expect(sigil(KEY)).toEqual(sigil(KEY.toLowerCase()));
    expect(sigil(KEY)).not.toEqual(sigil(KEY.replace("5aAe", "5bAe")));
    expect(sigil("").points.length).toBeGreaterThan(0);
  });
});
