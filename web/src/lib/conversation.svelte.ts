// One person's conversation: what is stored, what has just been said, and what is being said now.

import { ApiError, serverTime, type Api } from "./api";
import { fromFailure, sentence, type Problem } from "./problem";
import { Declined } from "./signer.svelte";
import { answerText, apply, newTurn, turnsOf, type Turn } from "./turns";
import type { MessagePage, Outcome, StoredMessage } from "./types";

/** A screen reader is told this much of an answer; the rest is there to be read. */
const ANNOUNCED_CHARACTERS = 600;

/** Why somebody who is signed in has no history and no profile. */
export const NOT_MEMBERS = new Set(["not_a_member", "identity_pending", "identity_disabled"]);

/** A question that no run has begun for: it goes back to where it was typed. */
export interface Refused {
  question: string;
  problem: Problem;
}

export class Conversation {
  /** Oldest first. */
  #stored = $state.raw<StoredMessage[]>([]);
  #recent = $state<Turn[]>([]);
  #cursor = $state<string | undefined>();
  #abort: AbortController | undefined;
  #count = 0;

  loading = $state(true);
  loadingOlder = $state(false);
  problem = $state<Problem | undefined>();
  /** The question that was refused last. The composer takes it back. */
  refused = $state.raw<Refused | undefined>();
  /** Spoken by screen readers. */
  announcement = $state("");

  readonly turns: Turn[] = $derived.by(() => {
    const shown = new Set(this.#recent.map((turn) => turn.runId));
    const stored = turnsOf(this.#stored).filter((turn) => !shown.has(turn.runId));
    // The sort is stable: what has just been said stands after what was stored at that moment.
    return [...stored, ...this.#recent].sort((one, other) => Number(one.askedAt) - Number(other.askedAt));
  });
  readonly hasOlder: boolean = $derived(this.#cursor !== undefined);
  readonly busy: boolean = $derived(
    this.#recent.some(
      (turn) => !turn.outcome && (turn.state === "waiting" || turn.state === "streaming"),
    ),
  );

  constructor(
    private readonly api: Api,
    private readonly onSignedOut: (problem: Problem) => void,
  ) {}

  /** Reads the newest page. What was shown only because it was just said gives way to it. */
  async load(): Promise<void> {
    this.loading = true;
    this.problem = undefined;
    try {
      const page = await this.api.messages();
      this.#renew(page);
      this.#recent = this.#recent.filter((turn) => !this.#isStored(turn));
    } catch (failure) {
      this.#report(failure);
    } finally {
      this.loading = false;
    }
  }

  /** The newest page takes the place of what it covers. What is older stays, if nothing lies between. */
  #renew(page: MessagePage): void {
    const newest = page.messages.toReversed();
    const joint = this.#stored.findIndex(({ id }) => id === newest[0]?.id);
    if (joint > 0) {
      this.#stored = [...this.#stored.slice(0, joint), ...newest];
      return;
    }
    this.#stored = newest;
    this.#cursor = page.next_cursor ?? undefined;
  }

  async loadOlder(): Promise<void> {
    const cursor = this.#cursor;
    if (!cursor || this.loadingOlder) return;
    this.loadingOlder = true;
    this.problem = undefined;
    try {
      const page = await this.api.messages(cursor);
      // Meanwhile, the conversation was read anew.
      if (this.#cursor !== cursor) return;
      this.#stored = [...page.messages.toReversed(), ...this.#stored];
      this.#cursor = page.next_cursor ?? undefined;
    } catch (failure) {
      this.#report(failure);
    } finally {
      this.loadingOlder = false;
    }
  }

  /** Asks, and returns when the answer has ended, however it ended. `onaccepted` is called when the
   * server has begun a run for it; until then it is not stored anywhere. */
  async ask(question: string, model: string | undefined, onaccepted?: () => void): Promise<void> {
    if (this.busy) return;
    this.problem = undefined;
    this.refused = undefined;
    const turn = this.#begin(question);
    turn.picked = model;
    const abort = new AbortController();
    this.#abort = abort;
    let accepted = false;
    try {
      const body = { content: question, ...(model ? { config: { model } } : {}) };
      for await (const event of this.api.chat(body, abort.signal)) {
        if (!accepted) onaccepted?.();
        accepted = true;
        apply(turn, event, new Date());
      }
      if (turn.state === "waiting" || turn.state === "streaming") throw new Error("cut short");
      this.#announce(turn);
    } catch (failure) {
      if (abort.signal.aborted) await this.#stopped(turn);
      else if (accepted) this.#failed(turn, failure);
      else this.#refuse(turn, failure);
    }
  }

  /** Shows a command and what comes of it. Nothing of it is stored, and no model sees it. Gives whether
   * it was done. */
  async note(line: string, act: () => Promise<Outcome>): Promise<boolean> {
    const turn = this.#begin(line);
    turn.outcome = "none";
    try {
      turn.outcome = await act();
      turn.state = "finished";
      this.announcement = sentence(turn.outcome.message);
      return true;
    } catch (failure) {
      turn.state = "finished";
      if (failure instanceof Declined) turn.remark = "You closed the question. Nothing was signed, nothing was done.";
      else turn.problem = fromFailure(failure);
      this.announcement = turn.remark ?? `${turn.problem?.title}. ${turn.problem?.detail}`;
      if (turn.problem?.signedOut) this.onSignedOut(turn.problem);
      return false;
    } finally {
      turn.answeredAt = new Date();
    }
  }

  /** A new turn at the end of all. Its time is the server's, as that of stored messages is. */
  #begin(question: string): Turn {
    this.#count += 1;
    const last = Number(this.turns.at(-1)?.askedAt ?? 0);
    const now = new Date(Math.max(Number(serverTime()), last));
    this.#recent.push(newTurn(`new-${this.#count}`, question, now));
    return this.#recent.at(-1)!;
  }

  /** Shows the stored answer of a turn of which only the beginning was read. */
  async reread(turn: Turn): Promise<void> {
    await this.load();
    if (!this.turns.includes(turn) || this.problem) return;
    turn.remark = "The server is still writing this answer. Try again in a moment.";
    this.announcement = turn.remark;
  }

  /** Stops reading. The server finishes the answer and stores it. */
  stop(): void {
    this.#abort?.abort();
  }

  async #stopped(turn: Turn): Promise<void> {
    turn.state = "stopped";
    turn.remark = "You stopped reading here. The server finishes the answer and keeps it.";
    this.announcement = "Stopped.";
    await this.load();
  }

  /** Gives a question back of which the server knows nothing. */
  #refuse(turn: Turn, failure: unknown): void {
    const problem = fromFailure(failure);
    this.#recent = this.#recent.filter((one) => one !== turn);
    this.refused = { question: turn.question, problem };
    this.announcement = `${problem.title}. ${problem.detail}`;
    if (problem.signedOut) this.onSignedOut(problem);
  }

  #failed(turn: Turn, failure: unknown): void {
    turn.state = "failed";
    turn.problem = fromFailure(failure);
    this.announcement = `${turn.problem.title}. ${turn.problem.detail}`;
    if (turn.problem.signedOut) this.onSignedOut(turn.problem);
  }

  #announce(turn: Turn): void {
    const { problem } = turn;
    const text = answerText(turn).slice(0, ANNOUNCED_CHARACTERS);
    this.announcement = problem ? `${problem.title}. ${problem.detail}` : `Answer: ${text}`;
  }

  /** A visitor has no history, which is no problem. */
  #report(failure: unknown): void {
    if (failure instanceof ApiError && NOT_MEMBERS.has(failure.code)) return;
    this.problem = fromFailure(failure);
    if (this.problem.signedOut) this.onSignedOut(this.problem);
  }

  /** A turn that is over gives way when the stored run has an answer. */
  #isStored(turn: Turn): boolean {
    if (turn.outcome || turn.state === "waiting" || turn.state === "streaming") return false;
    // Stopped before the server had said a word: only the question can tell.
    if (turn.state === "stopped" && turn.runId === undefined) {
      return this.#stored.findLast(({ role }) => role === "human")?.content === turn.question;
    }
    return this.#stored.some(
      (message) => message.run_id === turn.runId && (message.role === "ai" || turn.state === "failed"),
    );
  }
}
