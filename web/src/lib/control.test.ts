import { describe, expect, test } from "vitest";
import { controlOf, modelNamed, refused, type Surroundings } from "./control";
import { compare, decimal, isOnGrid, limit } from "./decimal";
import { grouped, modelTitle, pickable } from "./models";
import type { Bounds, FieldOptions, Model, ProfileField } from "./types";

const model = (name: string, more: Partial<Model> = {}): Model => ({
  name,
  id: `${name}-id`,
  aliases: [],
  provider: "p",
  protocol: "openai",
  default_params: {},
  available: true,
  choosable: true,
  ...more,
});
const MODELS = [
  model("off", { available: false, reason: "set OFF_KEY" }),
  model("closed", { choosable: false }),
  model("a", { aliases: ["Ada"] }),
  model("gemini-2.5", { aliases: ["Gemini-2.5"], provider: "g" }),
];
const field = (name: string, bounds?: Bounds, value: unknown = null): ProfileField => ({
  field: name,
  value,
  layer: "genesis",
  shadowed: [],
  editable: true,
  ...(bounds ? { bounds } : {}),
});
const around = (options?: FieldOptions, isAdmin = false): Surroundings => ({ options, models: MODELS, isAdmin });

describe("M4: the control of a field", () => {
  test("is what the template says, for prompts too", () => {
    expect(controlOf(field("prompts.persona"), around())).toEqual({ kind: "text", lines: 6 });
    expect(controlOf(field("prompts.persona"), around({ type: "text" }))).toEqual({ kind: "text", lines: 1 });
    const texts = ["Be brief.", "Be long.\nVery.", ""];
    const select = controlOf(field("prompts.persona", { texts }), around({ type: "select", options: texts }));
    expect(select).toEqual({
      kind: "select",
      choices: [
        { value: "Be brief.", title: "Be brief." },
        { value: "Be long.\nVery.", title: "Be long." },
        { value: "", title: "Nothing: leave this part out" },
      ],
    });
    const bounds = { min: 0, max: 2, steps: [{ size: 0.1, origin: 0 }] };
    expect(controlOf(field("config.temperature", bounds), around({ type: "slider" }))).toEqual({ kind: "number", slider: true, step: 0.1 });
    expect(controlOf(field("config.temperature", bounds), around({ type: "number" }))).toEqual({ kind: "number", slider: false, step: 0.1 });
    expect(controlOf(field("config.temperature", { min: 0 }), around({ type: "slider" }))).toMatchObject({ slider: false });
    expect(controlOf(field("config.max_tokens", { numbers: [512, 1024] }), around())).toMatchObject({ kind: "select" });
  });

  test("for models, has what can be asked, in the template's order, by the names that people know", () => {
    const own = field("config.model", undefined, "a");
    const names = (isAdmin: boolean, options?: FieldOptions): string[] => {
      const control = controlOf(own, around(options, isAdmin));
      return control.kind === "select" ? control.choices.map(({ title }) => title) : [];
    };
    expect(names(false)).toEqual(["a · Ada", "gemini-2.5"]);
    expect(names(false, { options: ["gemini-2.5", "off", "a"] })).toEqual(["gemini-2.5", "a · Ada"]);
    expect(names(true)).toEqual(["a · Ada", "gemini-2.5", "off (cannot be asked now)"]);
    expect(controlOf(own, around({ type: "text" }))).toEqual({ kind: "text", lines: 1, names: ["a", "gemini-2.5"] });
    expect([modelNamed("Ada", MODELS), modelNamed("a-id", MODELS), modelNamed("nobody", MODELS)]).toEqual(["a", "a", "nobody"]);
  });
});

describe("P9: models that cannot be asked", () => {
  test("are not offered to members, and are explained to administrators only", () => {
    expect(grouped(pickable(MODELS, false)).map(({ title, models }) => [title, models.length])).toEqual([["p", 1], ["g", 1]]);
    expect(grouped(pickable(MODELS, true)).at(-1)).toMatchObject({ title: "Cannot be asked now", models: [{ name: "off" }] });
    expect(pickable(MODELS, false, "off").map(({ name }) => name)).toContain("off");
    expect(modelTitle(MODELS[0]!)).toBe("off (cannot be asked now)");
    expect(modelTitle(MODELS[0]!, true)).toBe("off: set OFF_KEY");
  });
});

describe("P9: a value is checked before anybody signs", () => {
  const temperature = field("config.temperature", { min: 0, max: 2, steps: [{ size: 0.1, origin: 0 }] });
  test.each([
    ["2", ""],
    ["2.0", ""],
    ["0.30", ""],
    ["1e-1", ""],
    [".5", ""],
    ["", ""],
    ["2.0000000001", "too large"],
    ["2.00000000000000000000001", "too large"],
    ["-0.1", "too small"],
    ["-0.0000000000000001", "too small"],
    ["9", "too large"],
    ["0.35", "between two steps"],
    ["0.30000000000000004", "between two steps"],
    ["abc", "Write a number"],
    [".", "Write a number"],
    ["1e999", "Write a number"],
    ["NaN", "Write a number"],
  ])("temperature %s: %s", (typed, said) => {
    expect(refused(temperature, typed)).toContain(said);
    if (said === "") expect(refused(temperature, typed)).toBe("");
  });

  test("steps count from where the server counts, and whole numbers are whole", () => {
    const fives = field("config.history_context_size", { min: 3, max: 100, steps: [{ size: 1, origin: 0 }, { size: 5, origin: 3 }] });
    expect(["3", "8", "98"].map((typed) => refused(fives, typed))).toEqual(["", "", ""]);
    expect(refused(fives, "10")).toContain("between two steps");
    expect(refused(fives, "8.5")).toBe("Whole numbers only.");
    expect(refused(field("config.max_tokens", { numbers: [512, 1024] }), "600")).toBe("One of 512, 1024.");
  });

  test("every step of a grid is on it, whatever binary fractions say", () => {
    const size = limit(0.1);
    for (let step = 0; step <= 1000; step += 1) {
      const text = (step / 10).toFixed(1);
      expect(isOnGrid(decimal(text)!, size, limit(0)), text).toBe(true);
      expect(isOnGrid(decimal(`${text}01`)!, size, limit(0)), `${text}01`).toBe(false);
    }
    expect(isOnGrid(decimal("1")!, limit(0), limit(0))).toBe(false);
    expect(compare(limit(0.1 + 0.2), decimal("0.3")!)).toBe(0);
    expect(compare(decimal("-1")!, decimal("1")!)).toBe(-1);
  });

  test("texts are as long as the server counts, and only those that it offers", () => {
    const short = field("prompts.persona", { max_length: 3 });
    expect([refused(short, "👋👋👋"), refused(short, "")]).toEqual(["", ""]);
    expect(refused(short, "abcde")).toContain("At most 3 characters; this has 5. Shorten it by 2.");
    expect(refused(field("prompts.persona", { texts: ["a"] }), "b")).toContain("Choose one");
    expect(refused(field("prompts.persona"), "é".repeat(16_384))).toBe("");
    expect(refused(field("prompts.persona"), "é".repeat(16_385))).toContain("too long");
  });

  test("a model is one that may be chosen", () => {
    const own = field("config.model", { models: ["a", "off"] });
    expect([refused(own, "a", MODELS), refused(own, "Ada", MODELS), refused(own, "x", undefined)]).toEqual(["", "", ""]);
    for (const name of ["closed", "gemini-2.5", "nobody"]) expect(refused(own, name, MODELS)).toContain(name);
  });
});
