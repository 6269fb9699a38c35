// A model server that says what a test wants, in the protocol of OpenAI, when the test wants it.

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Script {
  reasoning?: string;
  answer: string;
  /** Calls these first; the answer comes when their results are there. */
  tools?: { name: string; arguments: string }[];
  /** Waits here, after this many pieces, until the test lets it go on. */
  holdAfter?: number;
  /** Cuts the connection instead of ending properly. */
  breakOff?: boolean;
  /** Why it ends: `stop` if left out. */
  finish?: string;
  /** Refuses with this status instead. */
  refuse?: number;
}

export class Provider {
  /** The questions that each request showed. */
  readonly asked: string[][] = [];
  /** How many requests were given up by the one who asked. */
  left = 0;
  private hasCalled = false;
  private script: Script = { answer: "Nothing was scripted." };
  private release: () => void = () => undefined;
  private released: Promise<void> = Promise.resolve();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Provider> {
    const server = createServer();
    const provider = new Provider(server);
    server.on("request", (request, response) => {
      if (request.url?.endsWith("/models")) {
        response.setHeader("Content-Type", "application/json");
        response.end(JSON.stringify({ object: "list", data: [{ id: "scripted-1", object: "model" }] }));
        return;
      }
      let body = "";
      request.on("data", (data) => (body += String(data)));
      request.on("end", () => {
        const { messages } = JSON.parse(body) as { messages: { role: string; content: string }[] };
        provider.asked.push(messages.filter(({ role }) => role === "user").map(({ content }) => content));
        response.once("close", () => {
          if (!response.writableFinished) provider.left += 1;
        });
        void provider.speak(response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  /** What the next answers are. */
  says(script: Script): void {
    this.script = script;
    this.hasCalled = false;
    this.released = new Promise((resolve) => (this.release = resolve));
  }

  /** Lets go on what was scripted last, also when something else has been scripted since. */
  later(): () => void {
    return this.release;
  }

  goOn(): void {
    this.release();
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async speak(response: ServerResponse): Promise<void> {
    const { script, released } = this;
    if (script.refuse) {
      response.writeHead(script.refuse, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ error: { message: "not today", type: "invalid_request_error" } }));
      return;
    }
    response.setHeader("Content-Type", "text/event-stream");
    const send = (delta: unknown, rest: object = {}): void => {
      const chunk = { id: "c", object: "chat.completion.chunk", model: "scripted-1", ...rest };
      const choices = [{ index: 0, delta, finish_reason: null, ...rest }];
      response.write(`data: ${JSON.stringify({ ...chunk, choices })}\n\n`);
    };
    if (script.tools && !this.hasCalled) {
      this.hasCalled = true;
      for (const [index, { name, arguments: given }] of script.tools.entries()) {
        send({ tool_calls: [{ index, id: `call_${index}`, type: "function", function: { name, arguments: given } }] });
      }
      send({}, { finish_reason: "tool_calls" });
      response.end("data: [DONE]\n\n");
      return;
    }
    if (script.reasoning) send({ reasoning_content: script.reasoning });
    for (const [index, piece] of script.answer.split(/(?<=\s)/).entries()) {
      if (index === script.holdAfter) await released;
      send({ content: piece });
    }
    if (script.breakOff) {
      response.destroy();
      return;
    }
    send({}, { finish_reason: script.finish ?? "stop", usage: { prompt_tokens: 1204, completion_tokens: 187, total_tokens: 1391 } });
    response.end("data: [DONE]\n\n");
  }
}
