// Starts the real program in a folder of its own, and talks to it as a person in a terminal would.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../../..");
const program = process.env.NEXUS_BINARY ?? join(root, "target/debug/nexus");
const run = promisify(execFile);

export interface Person {
  key: string;
  token: string;
  /** Where the private key is. */
  file?: string;
}

export class Nexus {
  private constructor(
    readonly url: string,
    private readonly data: string,
    private server: ChildProcess,
  ) {}

  /** The template that comes with the program, with `provider` as the model on this machine. Who may
   * register is a setting. `more` stands at the ends of template and settings; `change` changes the
   * template otherwise. */
  static async start(
    provider: string,
    registration = "open",
    more: { template?: string; settings?: string; change?: (template: string) => string } = {},
  ): Promise<Nexus> {
    const data = await mkdtemp(join(tmpdir(), "nexus-page-"));
    const template = await readFile(join(root, "config.example.yml"), "utf8");
    const config = join(data, "template.yml");
    const own = template.replace("http://127.0.0.1:11434/v1", provider);
    await writeFile(config, (more.change?.(own) ?? own) + (more.template ?? ""));
    const prompts = join(root, "prompts");
    await nexus(data, "init", "--config", config, "--prompts", prompts, "--default-model", "echo");
    const settings = join(data, "nexus.yml");
    await writeFile(settings, `registration: ${registration}\n${more.settings ?? ""}`);
    const server = serve(data, "127.0.0.1:0");
    return new Nexus(await address(server), data, server);
  }

  cli(...words: string[]): Promise<string> {
    return nexus(this.data, ...words);
  }

  /** The template that it was started with. */
  template(): Promise<string> {
    return readFile(join(this.data, "template.yml"), "utf8");
  }

  /** Puts another template into force. */
  async apply(template: string): Promise<void> {
    const file = join(this.data, "next.yml");
    await writeFile(file, template);
    await this.cli("template", "apply", file, "--prompts", join(root, "prompts"), "--yes");
  }

  /** Puts something into the stored maps of a person, as somebody does by hand. */
  async store(key: string, config: object, prompts: object): Promise<void> {
    const sql = "UPDATE identities SET config_overrides = ?, prompt_overrides = ?, version = version + 1 WHERE public_key = ?";
    const script = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as file: assert file.execute(sys.argv[2], sys.argv[3:]).rowcount == 1";
    await run("python3", ["-c", script, join(this.data, "nexus.db"), sql, JSON.stringify(config), JSON.stringify(prompts), key.toLowerCase()]);
  }

  async member(): Promise<Person> {
    const text = await this.cli("identity", "new", "--json");
    type Made = { public_key: string; token: string; key_file: string };
    const { public_key: key, token, key_file: file } = JSON.parse(text) as Made;
    return { key, token, file };
  }

  /** Somebody with a key and a token, whom nobody registered. */
  async visitor(): Promise<Person> {
    const key = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
    const token = /nxd_\w+/.exec(await this.cli("identity", "token", key))?.[0] ?? "";
    return { key, token };
  }

  /** Ends the server as a power failure would. */
  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.server.once("exit", resolve));
    this.server.kill("SIGKILL");
    await gone;
  }

  /** Asks the server to stop, and waits until it has. */
  async terminate(): Promise<void> {
    const gone = new Promise((resolve) => this.server.once("exit", resolve));
    this.server.kill("SIGTERM");
    await gone;
  }

  /** Starts it again, under the same address and with what it had stored. */
  async restart(): Promise<void> {
    this.server = serve(this.data, new URL(this.url).host);
    await address(this.server);
  }

  async stop(): Promise<void> {
    const isRunning = this.server.exitCode === null && this.server.signalCode === null;
    const gone = new Promise((resolve) => this.server.once("exit", resolve));
    if (this.server.kill("SIGTERM") && isRunning) await gone;
    await rm(this.data, { recursive: true, force: true });
  }
}

function serve(data: string, listen: string): ChildProcess {
  const words = ["--data", data, "--settings", join(data, "nexus.yml"), "serve", "--listen", listen];
  return spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
}

async function nexus(data: string, ...words: string[]): Promise<string> {
  const { stdout, stderr } = await run(program, ["--data", data, ...words]);
  return stdout.includes("nxd_") || stdout.startsWith("{") ? stdout : stdout + stderr;
}

function address(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    server.once("exit", () => reject(new Error(`nexus serve ended:\n${said}`)));
    server.once("error", reject);
    for (const stream of [server.stdout!, server.stderr!]) {
      createInterface({ input: stream }).on("line", (line) => {
        said += `${line}\n`;
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(/^Open /.test(line) ? line : "");
        if (found) resolve(found[0]);
      });
    }
  });
}
