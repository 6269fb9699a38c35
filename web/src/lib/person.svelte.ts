// The person who is signed in: what is in force for them, and everything they can tell Nexus to do.

import { ApiError, anybody, connect, type Api } from "./api";
import { parseLine } from "./commands";
import { Conversation, NOT_MEMBERS } from "./conversation.svelte";
import { forgetDrafts } from "./drafts";
import { saveFile } from "./files";
import { fromFailure, type Problem } from "./problem";
import { bareName, change, changeCommand, isPrompt, label, resetCommand } from "./provenance";
import { session, type Somebody } from "./session.svelte";
import { signer, type Intent } from "./signer.svelte";
import type { Described, FieldOptions, ModelList, Notice, Outcome, Profile, ProfileField, Standing } from "./types";

/** They are about one name in a list. */
const TOOL_NOTICES = new Set(["unknown_tool", "tool_not_allowed"]);

/** They have no profile and no conversation. */
const OUTSIDE = new Set<Standing>(["visitor", "pending", "disabled"]);

/** What cannot be undone is asked about, even when the key is unlocked. */
const FINAL = new Set(["identity.delete"]);

export class Person {
  readonly api: Api;
  readonly conversation: Conversation;

  profile = $state.raw<Profile | undefined>();
  models = $state.raw<ModelList | undefined>();
  commands = $state.raw<Described[]>([]);
  /** What the server says to somebody who is no member. */
  guidance = $state<string | undefined>();
  problem = $state<Problem | undefined>();
  /** Counts how often the drafts were forgotten: what shows one begins anew. */
  forgotten = $state(0);

  constructor(readonly who: Somebody) {
    this.api = connect(who.credential);
    const { public_key } = who;
    const isMember = (): boolean => !OUTSIDE.has(this.#now.standing);
    this.conversation = new Conversation(this.api, { public_key, isMember }, (problem) => this.leave(problem));
    this.load();
  }

  /** What the server has said last of who this is. */
  get #now(): Somebody {
    return session.who ?? this.who;
  }

  load(): void {
    void this.conversation.load();
    void this.loadProfile();
    // Without these lists, the person's own model still answers, and settings can still be changed.
    void this.api.models().then((models) => (this.models = models), () => undefined);
    void this.#loadCommands().catch(() => undefined);
  }

  async loadProfile(): Promise<void> {
    this.problem = undefined;
    const { standing, guidance } = this.#now;
    // The server would only refuse.
    if (OUTSIDE.has(standing) && guidance) return this.#isOutside(guidance);
    try {
      this.profile = await this.api.profile();
      this.guidance = undefined;
    } catch (failure) {
      if (failure instanceof ApiError && NOT_MEMBERS.has(failure.code)) {
        return this.#isOutside(failure.message);
      }
      this.problem = fromFailure(failure);
      if (this.problem.signedOut) this.leave(this.problem);
    }
  }

  #isOutside(guidance: string): void {
    this.guidance = guidance;
    this.profile = undefined;
  }

  leave(problem: Problem): void {
    session.drop(`${problem.title}. ${problem.detail}`);
  }

  /** Executes a command, signed when it has to be. */
  async execute(name: string, values: Record<string, unknown> = {}, intent?: Intent): Promise<Outcome> {
    const body = JSON.stringify({ command: name, arguments: values });
    const known = this.commands.find((command) => command.name === name);
    const signed = (): Promise<Outcome> =>
      signer.execute(this.api, this.who.public_key, body, intent ?? plainIntent(name, values));
    if (known?.needs_signature) return this.#done(await signed());
    try {
      return this.#done(await this.api.execute(body));
    } catch (failure) {
      const wanted = failure instanceof ApiError && failure.code === "signature_required";
      if (!wanted) throw failure;
      return this.#done(await signed());
    }
  }

  /** Executes what was typed, and shows it in the conversation. Gives whether it was done. */
  typed(line: string): Promise<boolean> {
    return this.conversation.note(line, async () => {
      if (this.commands.length === 0) await this.#loadCommands();
      const call = parseLine(line, this.commands);
      const { name } = call.command;
      if (name === "export") await this.saveExport();
      const intent = plainIntent(name, call.arguments, `/${line.replace(/^\//, "")}`);
      return this.execute(name, call.arguments, intent);
    });
  }

  /** What the template says about the control of a field. */
  optionsOf(field: string): FieldOptions | undefined {
    return this.profile?.field_options[field];
  }

  /** Removes what the person has stored and a notice is about: its field may be locked, or gone. */
  async drop({ code, field }: Notice): Promise<void> {
    const listed = this.profile?.fields.find((one) => one.field === field);
    // Of a list, only what is not in force goes.
    if (TOOL_NOTICES.has(code) && listed) return this.write(listed, listed.value);
    const prompt = isPrompt(field);
    await this.execute(prompt ? "prompt.unset" : "config.unset", { [prompt ? "name" : "field"]: bareName(field) }, {
      title: "Remove a value of yours",
      words: [`${label(field)}: what you have stored is removed.`],
      action: "Sign and remove",
    });
  }

  /** Sets a field, or goes back to what it hides. */
  async write(field: ProfileField, value: unknown): Promise<void> {
    const prompt = isPrompt(field.field);
    const name = bareName(field.field);
    const unset = value === undefined;
    const next = unset ? field.shadowed[0]?.value : value;
    const intent: Intent = {
      title: "Change a setting",
      words: [change(field.field, field.value, next ?? null, this.optionsOf(field.field))],
      action: "Sign and save",
      terminal: unset
        ? resetCommand(this.who.public_key, field)
        : changeCommand(this.who.public_key, field, value),
    };
    const command = `${prompt ? "prompt" : "config"}.${unset ? "unset" : "set"}`;
    const about = { [prompt ? "name" : "field"]: name };
    const values = unset ? about : { ...about, [prompt ? "content" : "value"]: value };
    await this.execute(command, values, intent);
  }

  /** Sets the time zone, or goes back to UTC. */
  async writeTimeZone(zone: string | undefined): Promise<void> {
    const key = this.who.public_key;
    await this.execute(zone === undefined ? "time_zone.unset" : "time_zone.set", zone === undefined ? {} : { value: zone }, {
      title: "Change a setting",
      words: [`Time zone: ${this.profile?.time_zone ?? "UTC"} → ${zone ?? "UTC"}`],
      action: "Sign and save",
      terminal: `nexus identity time-zone ${key} ${zone ?? "--unset"}`,
    });
  }

  /** Registers the key. */
  async register(): Promise<void> {
    await this.execute("identity", {}, {
      title: "Register your key",
      words: ["This server keeps your settings and your messages under your address from now on."],
      action: "Sign and register",
    });
  }

  async saveExport(): Promise<void> {
    const { name, content } = await this.api.export();
    saveFile(name, content);
  }

  async #loadCommands(): Promise<void> {
    this.commands = await anybody.commands();
  }

  /** What a command changes on this page. */
  async #done(outcome: Outcome): Promise<Outcome> {
    const { command, message } = outcome;
    if (/^(config|prompt|time_zone)\.(un)?set$/.test(command)) await this.loadProfile();
    if (command === "identity") {
      await session.refresh();
      this.load();
    }
    if (command === "identity.delete") {
      forgetDrafts(this.who.public_key);
      session.drop(message);
    }
    if (command === "session.revoke_all") session.drop("You are signed out everywhere.");
    return outcome;
  }
}

function plainIntent(name: string, values: Record<string, unknown>, line?: string): Intent {
  const said = line ?? [name, ...Object.values(values).map(String)].join(" ");
  const final = FINAL.has(name);
  const words = [`\`${said.length > 200 ? `${said.slice(0, 200)}…` : said}\``];
  if (final) words.push("Your identity, every setting, message, session and API key is erased. There is no way back.");
  return { title: "Sign a command", words, action: final ? "Sign and erase" : "Sign", final };
}
