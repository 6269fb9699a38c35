// A model server that says what a test wants, when the test wants it: the scripted provider that the
// Rust tests use too, in a process of its own.

import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const program = join(import.meta.dirname, "../../../target/debug/scripted-provider");

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
  private script = 0;

  private constructor(
    readonly url: string,
    private readonly control: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(): Promise<Provider> {
    const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
    const line = await new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", () => reject(new Error("the scripted provider ended")));
      createInterface({ input: child.stdout }).once("line", resolve);
    });
    const { base_url, control } = JSON.parse(line) as { base_url: string; control: string };
    return new Provider(base_url, `http://${control}`, child);
  }

  /** What the next answers are. */
  async says(script: Script): Promise<void> {
    this.script = (await this.tell("script", script)) as number;
  }

  /** Lets go on what was scripted last, also when something else has been scripted since. */
  later(): () => Promise<void> {
    const { script } = this;
    return async () => void (await this.tell("go_on", script));
  }

  goOn(): Promise<void> {
    return this.later()();
  }

  /** The questions that each request showed. */
  async asked(): Promise<string[][]> {
    return (await this.seen()).asked;
  }

  /** How many requests were given up by the one who asked. */
  async left(): Promise<number> {
    return (await this.seen()).left;
  }

  stop(): void {
    this.process.kill();
  }

  private seen(): Promise<{ asked: string[][]; left: number }> {
    return this.tell("seen") as Promise<{ asked: string[][]; left: number }>;
  }

  private async tell(what: string, body?: unknown): Promise<unknown> {
    const method = body === undefined ? "GET" : "POST";
    const answer = await fetch(`${this.control}/${what}`, { method, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`the scripted provider refuses ${what}`);
    return answer.json();
  }
}
