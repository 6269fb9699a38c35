import { describe, expect, test } from "vitest";
import { EventDecoder, readEvents, type ServerSentEvent } from "./sse";

const TEXT =
  "\uFEFF: hello\r\nevent: run_started\r\ndata: {\"a\":1}\r\n\r\n" +
  "event: text_chunk\ndata: {\"chunk\":\"你好 🌍\"}\n\n" +
  "data: two\ndata:  lines\n\n" +
  "event: empty\n\n" +
  "id: 7\rdata\r\rdata: cut off";
const EVENTS: ServerSentEvent[] = [
  { event: "run_started", data: '{"a":1}' },
  { event: "text_chunk", data: '{"chunk":"你好 🌍"}' },
  { event: "message", data: "two\n lines" },
  { event: "message", data: "" },
];

function body(chunks: Uint8Array[], onCancel?: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      if (!onCancel) controller.close();
    },
    ...(onCancel ? { cancel: onCancel } : {}),
  });
}

async function all(stream: ReadableStream<Uint8Array>): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = [];
  for await (const event of readEvents(stream)) events.push(event);
  return events;
}

describe("the reader of server-sent events", () => {
  test("reads the same events wherever the text is cut in two", () => {
    for (let cut = 0; cut <= TEXT.length; cut += 1) {
      const decoder = new EventDecoder();
      const events = [...decoder.push(TEXT.slice(0, cut)), ...decoder.push(TEXT.slice(cut))];
      expect(events, `cut at ${cut}`).toEqual(EVENTS);
    }
  });

  test("reads the same events when every byte comes alone, also within a character", async () => {
    const bytes = [...new TextEncoder().encode(TEXT)].map((byte) => Uint8Array.of(byte));
    expect(await all(body(bytes))).toEqual(EVENTS);
  });

  test("gives an event as soon as its empty line is there", () => {
    const decoder = new EventDecoder();
    expect(decoder.push("data: now\n")).toEqual([]);
    expect(decoder.push("\n")).toEqual([{ event: "message", data: "now" }]);
  });

  test("does not give an event that was cut off", async () => {
    expect(await all(body([new TextEncoder().encode("data: half")]))).toEqual([]);
  });

  test("lets go of the connection when the reader leaves early", async () => {
    let cancelled = false;
    const stream = body([new TextEncoder().encode("data: 1\n\ndata: 2\n\n")], () => (cancelled = true));
    for await (const event of readEvents(stream)) {
      expect(event.data).toBe("1");
      break;
    }
    expect(cancelled).toBe(true);
  });
});
