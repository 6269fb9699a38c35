// Reads Server-Sent Events from a `fetch` answer. `EventSource` cannot send a POST or a header.

export interface ServerSentEvent {
  event: string;
  data: string;
}

/** Turns text, cut anywhere, into events. */
export class EventDecoder {
  #rest = "";
  #event = "";
  #data: string[] = [];
  #begun = false;

  push(text: string): ServerSentEvent[] {
    this.#rest += text;
    if (!this.#begun && this.#rest.length > 0) {
      this.#begun = true;
      if (this.#rest.startsWith("\uFEFF")) this.#rest = this.#rest.slice(1);
    }
    const events: ServerSentEvent[] = [];
    let start = 0;
    for (;;) {
      const line = nextLine(this.#rest, start);
      if (!line) break;
      start = line.next;
      const event = this.#line(line.text);
      if (event) events.push(event);
    }
    this.#rest = this.#rest.slice(start);
    return events;
  }

  /** An empty line ends an event. One without data is none. */
  #line(line: string): ServerSentEvent | undefined {
    if (line === "") {
      const event = { event: this.#event || "message", data: this.#data.join("\n") };
      const complete = this.#data.length > 0;
      this.#event = "";
      this.#data = [];
      return complete ? event : undefined;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event = value;
    if (name === "data") this.#data.push(value);
    return undefined;
  }
}

/** A line may end in LF, CR or CRLF; a CR at the very end may still get its LF. */
function nextLine(text: string, start: number): { text: string; next: number } | undefined {
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === "\n") return { text: text.slice(start, at), next: at + 1 };
    if (character === "\r") {
      if (at + 1 === text.length) return undefined;
      return { text: text.slice(start, at), next: text[at + 1] === "\n" ? at + 2 : at + 1 };
    }
  }
  return undefined;
}

/** The events of a body, as they arrive. Ends when the body ends. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerSentEvent> {
  const reader = body.getReader();
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  const decoder = new EventDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* decoder.push(text.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
