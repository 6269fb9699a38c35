import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const ADA = "0xAdA0000000000000000000000000000000000001";
const BOB = "0xb0b0000000000000000000000000000000000002";

/** The module as a page that was just loaded has it: with an empty memory. */
async function loaded(): Promise<typeof import("./drafts")> {
  vi.resetModules();
  return import("./drafts");
}

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});
afterEach(() => vi.restoreAllMocks());

describe("drafts", () => {
  test("P5: a draft survives a reload, for its owner and its place only", async () => {
    const { keepDraft } = await loaded();
    keepDraft(ADA, "message", "half a thought");
    const { draft } = await loaded();
    expect(draft(ADA.toLowerCase(), "message")).toBe("half a thought");
    expect([draft(BOB, "message"), draft(ADA, "prompts.persona")]).toEqual(["", ""]);
  });

  test("P5: without locks, a draft stays with its tab", async () => {
    const { keepDraft } = await loaded();
    keepDraft(ADA, "message", "in the first tab");
    sessionStorage.clear();
    expect((await loaded()).draft(ADA, "message")).toBe("");
  });

  test("P5: a draft that was sent does not come back", async () => {
    const { keepDraft } = await loaded();
    keepDraft(ADA, "message", "sent");
    keepDraft(ADA, "message", "");
    expect((await loaded()).draft(ADA, "message")).toBe("");
    sessionStorage.clear();
    expect((await loaded()).draft(ADA, "message")).toBe("");
  });

  test("P5: forgetting an owner forgets theirs and nobody else's", async () => {
    const { keepDraft, forgetDrafts } = await loaded();
    keepDraft(ADA, "message", "a");
    keepDraft(ADA, "prompts.persona", "b");
    keepDraft(BOB, "message", "c");
    localStorage.setItem("nexus.theme", "dark");
    forgetDrafts(ADA);
    const { draft } = await loaded();
    expect([draft(ADA, "message"), draft(ADA, "prompts.persona"), draft(BOB, "message")]).toEqual(["", "", "c"]);
    expect(localStorage.getItem("nexus.theme")).toBe("dark");
  });

  test("P5: a browser that keeps nothing still keeps drafts until the page is closed", async () => {
    const full = (): never => {
      throw new DOMException("full", "QuotaExceededError");
    };
    for (const storage of [localStorage, sessionStorage]) {
      vi.spyOn(storage, "setItem").mockImplementation(full);
      vi.spyOn(storage, "getItem").mockImplementation(full);
    }
    const { draft, keepDraft } = await loaded();
    keepDraft(ADA, "message", "kept");
    expect(draft(ADA, "message")).toBe("kept");
  });

  test("two texts are kept in their order", async () => {
    const { joined } = await loaded();
    expect([joined("a", "b"), joined("", "b"), joined("a", ""), joined("", "")]).toEqual(["a\n\nb", "b", "a", ""]);
  });
});
