import { describe, expect, test } from "vitest";
import { choices, included, sameTools, toggled, written } from "./tools";
import type { ToolServer } from "./types";

const tool = (name: string, description = ""): ToolServer["tools"][number] => ({
  name,
  model_name: name.replace(".", "__"),
  description,
  on: false,
});
const SERVERS: ToolServer[] = [
  { name: "current_time", kind: "builtin", reachable: true, tools: [tool("current_time", "Tells the time.")] },
  { name: "files", kind: "stdio", reachable: true, tools: [tool("files.read", "Reads."), tool("files.write")] },
  { name: "web", kind: "http", reachable: false, reason: "nothing listens at its address", tools: [] },
];
const names = (allowed: string[] | undefined, chosen: string[] = []): string[][] =>
  choices(SERVERS, allowed, chosen).map((group) => group.choices.map((choice) => choice.name));

describe("the boxes", () => {
  test("are those of every server, and one for all of its tools", () => {
    expect(names(undefined)).toEqual([["current_time"], ["files", "files.read", "files.write"], ["web"]]);
    const [, files, web] = choices(SERVERS, undefined, []);
    expect(files?.choices.map((choice) => choice.label)).toEqual(["All of them", "read", "write"]);
    expect(web?.away).toBe("nothing listens at its address");
  });

  test("are only those that may be ticked, and those that are", () => {
    expect(names(["current_time", "files.read"])).toEqual([["current_time"], ["files.read"]]);
    expect(names(["files"])).toEqual([["files", "files.read", "files.write"]]);
    expect(names(["files.read"], ["files.write", "web.search"])).toEqual([["files.read", "files.write"], ["web.search"]]);
    expect(names([], ["gone.tool"])).toEqual([["gone.tool"]]);
  });

  test("are there before the servers are known", () => {
    expect(choices(undefined, ["files", "current_time"], []).map((group) => group.choices.length)).toEqual([2]);
    expect(choices(undefined, undefined, [])).toEqual([]);
  });
});

describe("the list", () => {
  test("has names in the order of the boxes, and none twice", () => {
    const groups = choices(SERVERS, undefined, []);
    expect(toggled(["web"], "current_time", groups)).toEqual(["current_time", "web"]);
    expect(toggled(["current_time", "web"], "current_time", groups)).toEqual(["web"]);
    expect(written(["files", "files.read", "web.search"])).toEqual(["files", "web.search"]);
  });

  test("says what is on because all of a server are", () => {
    const [, files] = choices(SERVERS, undefined, []);
    expect(files?.choices.map((choice) => included(choice, ["files"]))).toEqual([false, true, true]);
  });

  test("is the same in another order", () => {
    expect(sameTools(["a", "b"], ["b", "a"])).toBe(true);
    expect(sameTools(["files", "files.read"], ["files"])).toBe(true);
    expect(sameTools(["a"], [])).toBe(false);
  });
});
