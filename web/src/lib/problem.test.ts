import { describe, expect, test } from "vitest";
import { ApiError } from "./api";
import { againAt, limitWords, localTimes } from "./format";
import { table } from "./outcome";
import { fromEvent, fromFailure, sentence } from "./problem";
import { isOwn, noticeWords } from "./provenance";

const NOW = new Date("2026-11-30T14:30:48");

describe("P9: limits", () => {
  test.each([
    ["limits.identity.requests_per_minute", "20", "20 requests a minute"],
    ["limits.identity.requests_per_minute", "1", "1 request a minute"],
    ["limits.identity.tokens_per_minute", "500000", `${(500_000).toLocaleString()} tokens a minute`],
    ["limits.identity.daily_tokens", "10", "10 tokens a day"],
    ["limits.identity.daily_cost", "2.50", "2.50 of cost a day"],
    ["limits.identity.concurrent_runs", "4", "4 answers at a time"],
    ["limits.ip.registrations_per_hour", "20", "20 registrations a hour"],
    ["limits.identity.changes_per_minute", "9", "9 changes a minute"],
    ["something.else", "9", ""],
    ["limits.identity.requests_per_minute", undefined, ""],
  ])("%s of %s: %s", (field, value, said) => {
    expect(limitWords(field, value)).toBe(said.replace("a hour", "an hour"));
  });

  test("are told without names of fields and times of other places", () => {
    const message =
      "the limit of 20 requests in a minute is reached (limits.identity.requests_per_minute): try again after 2026-11-23T14:31:00Z, in 12 s";
    const refused = new ApiError(429, "rate_limited", message, true, "limits.identity.requests_per_minute", 12);
    expect(fromFailure(refused)).toMatchObject({
      title: "That was a lot at once",
      detail: "You have reached the limit of 20 requests a minute. Try again in 12 seconds.",
      retryable: true,
    });
    const busy = "the limit of 4 runs at a time is reached (limits.identity.concurrent_runs): try again when one of them has ended";
    expect(fromFailure(new ApiError(429, "rate_limited", busy, true, "limits.identity.concurrent_runs", 1)).detail).toBe(
      "You have reached the limit of 4 answers at a time. Try again when one of them has ended.",
    );
    expect(fromFailure(new ApiError(429, "rate_limited", "slow down", true)).detail).toBe("Slow down.");
  });

  test("say when in the words of clocks here", () => {
    expect([againAt(1, NOW), againAt(12, NOW)]).toEqual(["Try again in 1 second.", "Try again in 12 seconds."]);
    expect(againAt(600, NOW)).toMatch(/^Try again at \d\d:40( [AP]M)?\.$/);
    expect(againAt(34_152, NOW)).toMatch(/^Try again after .*2026/);
  });
});

describe("P9: times", () => {
  test("of the server are those of here, and nothing else is touched", () => {
    const said = localTimes("expires 2026-11-23T14:31:00Z, or 2026-11-23T14:31:00.125+02:00");
    expect(said).not.toMatch(/T14|Z|\+02/);
    expect(said).toContain("2026");
    for (const same of ["version 2026-11", "2026-99-99T99:99:99Z", "T12 at 12:30"]) expect(localTimes(same)).toBe(same);
    expect(sentence("the key ended at 2026-11-23T14:31:00Z")).not.toContain("T14");
  });
});

describe("P9: what only an administrator can mend", () => {
  test("is told to administrators, and others are told what they can do", () => {
    const message = "provider google has no key: set GEMINI_API_KEY and start Nexus again";
    for (const problem of [
      fromEvent({ code: "provider_key_missing", message, retryable: false }),
      fromFailure(new ApiError(503, "provider_key_missing", message)),
    ]) {
      expect(problem.detail).toBe("Choose another model, or tell the person who runs this server.");
      expect(problem.operator).toContain("GEMINI_API_KEY");
    }
    const outcome = { command: "models", message: "", data: [{ name: "a", provider: "p", unavailable: message }, { name: "b", provider: "p", unavailable: null }] };
    expect(table(outcome)?.rows).toEqual([["a", "p", "cannot be asked now"], ["b", "p", ""]]);
    expect(table(outcome, true)?.rows[0]?.[2]).toContain("GEMINI_API_KEY");
  });
});

describe("P9: notices", () => {
  test.each([
    ["clamped", "config.temperature", "config.temperature 9 (set by identity) is outside its limits: 2 is used", "“Temperature” 9 (set by you) is outside its limits: 2 is used", true],
    ["field_locked", "config.temperature", "config.temperature set by identity is ignored: the template does not list it in ui.editable_fields", "“Temperature” as you have set it is not used. This server does not let people change it.", true],
    ["field_locked", "prompts.tone", "prompts.tone set by identity is ignored: the template has no prompt of this name", "“Tone” as you have set it is not used. This server has no text of this name.", true],
    ["unknown_field", "config.temprature", "config.temprature set by identity has no effect: Nexus knows no such field; it is kept and never sent", "You have stored “temprature”, which Nexus does not know. It is not used.", true],
    ["unknown_model", "config.model", 'there is no model "x" (set by genesis): echo is used', 'there is no model "x" (set by this server): echo is used', false],
    ["wrong_type", "config.max_tokens", "config.max_tokens stored by identity is ignored: it should be a whole number", "“Longest answer” as you have set it is ignored: it should be a whole number", true],
  ])("%s of %s", (code, field, message, said, removable) => {
    expect(noticeWords({ code, field, message })).toBe(said);
    expect(isOwn({ code, field, message })).toBe(removable);
  });
});
