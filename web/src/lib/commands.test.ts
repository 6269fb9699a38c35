import { describe, expect, test } from "vitest";
import { inProgress, isCommandLine, isWhole, parseLine, SETTINGS, suggestions } from "./commands";
import type { Argument, Described } from "./types";

const argument = (name: string, type: Argument["type"], required = true): Argument => ({
  name,
  type,
  required,
  description: `the ${name}`,
});
const command = (name: string, ...args: Argument[]): Described => ({
  name,
  description: "",
  usage: [name, ...args.map((one) => one.name.toUpperCase())].join(" "),
  arguments: args,
  audience: "member",
  needs_signature: false,
});
const commands = [
  command("ping"),
  command("config.get", argument("field", "text", false)),
  command("config.set", argument("field", "text"), argument("value", "value")),
  command("prompt.set", argument("name", "text"), argument("content", "text")),
  command("key.create", argument("name", "text"), argument("scopes", "list", false)),
  command("history", argument("limit", "count", false)),
];
const read = (line: string): unknown => {
  const call = parseLine(line, commands);
  return { [call.command.name]: call.arguments };
};

describe("a line that begins with a slash", () => {
  test("is read as the terminal reads it", () => {
    expect(read("/ping")).toEqual({ ping: {} });
    expect(read("/config.set temperature 0.3")).toEqual({ "config.set": { field: "temperature", value: 0.3 } });
    expect(read("/config.set config.model 4")).toEqual({ "config.set": { field: "config.model", value: "4" } });
    expect(read("/prompt.set persona  You are  a pirate. ")).toEqual({
      "prompt.set": { name: "persona", content: "You are  a pirate." },
    });
    expect(read("/prompt.set persona a\nb")).toEqual({ "prompt.set": { name: "persona", content: "a\nb" } });
    expect(read("/key.create laptop chat,models.read")).toEqual({
      "key.create": { name: "laptop", scopes: ["chat", "models.read"] },
    });
    expect(read("/history 007")).toEqual({ history: { limit: "007" } });
  });

  test("that is no command is told how to write it", () => {
    expect(() => read("/dance")).toThrow("There is no command `/dance`");
    expect(() => read("/config.set temperature")).toThrow("`/config.set FIELD VALUE`. value is the value");
    expect(() => read("/ping pong")).toThrow("`/ping`");
  });

  test("is told apart from a path", () => {
    for (const line of ["/", "/ping", "/config.set a b", "/prompt.set persona\ntext"]) expect(isCommandLine(line), line).toBe(true);
    for (const line of ["/etc/hosts is what?", "//", "/ ping".slice(2), " /ping", "/Users", "/1"]) expect(isCommandLine(line), line).toBe(false);
  });

  test("offers what can follow", () => {
    const names = (text: string): string[] => suggestions(text, commands).map(({ name }) => name);
    expect(names("/").length).toBe(commands.length);
    expect(names("/config")).toEqual(["config.get", "config.set"]);
    expect(names("/config.set ")).toEqual([]);
    expect(names("hello /")).toEqual([]);
    expect(inProgress("/config.set ", commands)?.usage).toBe("config.set FIELD VALUE");
    expect(inProgress("/config.set", commands)).toBeUndefined();
  });

  test("P9: runs with the first Enter when it is whole, whatever else begins like it", () => {
    const known = [...commands, SETTINGS];
    expect(["/config", "/config ", "/ping", "/history"].map((text) => isWhole(text, known))).toEqual([true, true, true, true]);
    expect(["/", "/conf", "/config.set", "/key.create", "config"].map((text) => isWhole(text, known))).toEqual([false, false, false, false, false]);
    expect(suggestions("/config", known).map(({ name }) => name)).toEqual(["config", "config.get", "config.set"]);
  });
});
