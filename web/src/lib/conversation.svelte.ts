// One person's conversation: what is stored, what has just been said, and what is being said now.

import { ApiError, serverTime, type Api, type Question } from "./api";
import { plainText } from "./plain";
import { fromFailure, sentence, type Problem } from "./problem";
import { Declined } from "./signer.svelte";
import { answerText, apply, newTurn, reset, turnsOf, type Turn } from "./turns";
import type { Outcome, StoredMessage } from "./types";

/** A screen reader is told this much of an answer; the rest is there to be read. */
const ANNOUNCED_CHARACTERS = 600;

/** How often it is looked for an answer that somebody else reads, in milliseconds: rarer with time. */
const LOOKS = [1000, 1000, 2000, 3000, 5000, 10_000];

/** A run that was told to stop has this long to say that it has. */
const STOPPING = 7000;

/** Why somebody who is signed in has no history and no profile. */
export const NOT_MEMBERS = new Set(["not_a_member", "identity_pending", "identity_disabled"]);

/** Whose conversation it is. */
export interface Owner {
  public_key: string;
  /** Whether the server keeps a conversation of theirs; it refuses to show anybody else one. */
  isMember: () => boolean;
}

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
  /** The runs that have not ended, as far as the server told. */
  #writing = $state.raw<string[]>([]);
  /** The connection broke off: what became of the answer is not known yet. */
  #isLost = $state(false);
  /** The turn that is read along. */
  #live: Turn | undefined;
  #abort: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looks = 0;
  #isFollowed = false;
  #isLooking = false;
  /** Something has changed since the look under way began. */
  #isStale = false;
  #count = 0;
  /** Other tabs of this browser in which the same person is signed in. */
  #tabs: BroadcastChannel | undefined;

  loading = $state(true);
  loadingOlder = $state(false);
  problem = $state<Problem | undefined>();
  /** The question that was refused last. The composer takes it back. */
  refused = $state.raw<Refused | undefined>();
  /** Spoken by screen readers. */
  announcement = $state("");
  /** How many questions and commands were sent from here. */
  sent = $state(0);

  readonly turns: Turn[] = $derived.by(() => {
    const shown = new Set(this.#recent.map((turn) => turn.runId));
    const stored = turnsOf(this.#stored, new Set(this.#writing)).filter((turn) => !shown.has(turn.runId));
    // The sort is stable: what has just been said stands after what was stored at that moment.
    return [...stored, ...this.#recent].sort((one, other) => Number(one.askedAt) - Number(other.askedAt));
  });
  readonly hasOlder: boolean = $derived(this.#cursor !== undefined);
  readonly busy: boolean = $derived(this.#recent.some((turn) => !turn.outcome && isLive(turn)));

  constructor(
    private readonly api: Api,
    private readonly owner: Owner,
    private readonly onSignedOut: (problem: Problem) => void,
  ) {}

  /** Reads the newest page. What was shown only because it was just said gives way to it. */
  async load(): Promise<void> {
    if (!this.owner.isMember()) return void (this.loading = false);
    this.loading = true;
    this.problem = undefined;
    this.#isStale = false;
    try {
      await this.#renew();
    } catch (failure) {
      this.#report(failure);
    } finally {
      this.loading = false;
    }
    if (this.#isStale) await this.#look();
  }

  /** Keeps up with what other tabs and programs of this person do, while the page can be seen. */
  follow(): () => void {
    const look = ({ target }: Event): void => {
      const isSeen = document.visibilityState === "visible" && !this.loading;
      // What happens to an element bubbles up to here, too.
      if (isSeen && (target === window || target === document)) void this.#look();
    };
    const events = [
      [document, "visibilitychange"],
      [window, "focus"],
      [window, "online"],
    ] as const;
    for (const [target, event] of events) target.addEventListener(event, look);
    const tabs = new BroadcastChannel(`nexus.runs.${this.owner.public_key.toLowerCase()}`);
    tabs.onmessage = () => {
      // A tab that cannot be seen looks when it can.
      if (document.visibilityState === "visible") void this.#look();
    };
    this.#tabs = tabs;
    this.#isFollowed = true;
    this.#lookAgain();
    return () => {
      this.#isFollowed = false;
      tabs.close();
      this.#tabs = undefined;
      for (const [target, event] of events) target.removeEventListener(event, look);
      clearTimeout(this.#timer);
    };
  }

  /** Reads anew, and says nothing when that does not work: it is tried again. */
  async #look(): Promise<void> {
    if (!this.owner.isMember()) return;
    clearTimeout(this.#timer);
    this.#isStale = true;
    if (this.#isLooking || this.loading) return;
    this.#isLooking = true;
    try {
      while (this.#isStale) {
        this.#isStale = false;
        await this.#renew();
      }
    } catch (failure) {
      if (fromFailure(failure).signedOut) return this.#report(failure);
      this.#lookAgain();
    } finally {
      this.#isLooking = false;
    }
  }

  /** Looks again while an answer is being written that is not read along. */
  #lookAgain(): void {
    clearTimeout(this.#timer);
    const away = this.#writing.some((run) => run !== this.#live?.runId);
    if (!this.#isFollowed || (!away && !this.#isLost)) return;
    const pause = LOOKS[Math.min(this.#looks, LOOKS.length - 1)]!;
    this.#looks += 1;
    this.#timer = setTimeout(() => {
      // Nobody sees it: the next look is when somebody does.
      if (document.visibilityState !== "visible") this.#lookAgain();
      else void this.#look();
    }, pause);
  }

  /** First what is being written, then what is stored: an answer that ends in between is in one of both.
   * The newest page takes the place of what it covers. What is older stays, if nothing lies between. */
  async #renew(): Promise<void> {
    const writing = await this.#runs();
    const page = await this.api.messages();
    const newest = page.messages.toReversed();
    const joint = this.#stored.findIndex(({ id }) => id === newest[0]?.id);
    if (joint > 0) {
      this.#stored = [...this.#stored.slice(0, joint), ...newest];
    } else {
      this.#stored = newest;
      this.#cursor = page.next_cursor ?? undefined;
    }
    if (writing.join() !== this.#writing.join()) this.#looks = 0;
    this.#writing = writing;
    this.#isLost = false;
    this.#recent = this.#recent.filter((turn) => !this.#isStored(turn));
    this.#lookAgain();
  }

  /** A server that cannot tell is believed to write nothing. */
  async #runs(): Promise<string[]> {
    try {
      return (await this.api.runs()).map(({ run_id }) => run_id);
    } catch (failure) {
      if (failure instanceof ApiError && failure.status !== 401) return [];
      throw failure;
    }
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
    await this.#read(turn, { content: question, ...choice(model) }, onaccepted, (failure) => this.#refuse(turn, failure));
  }

  /** Asks the same again. What is stored already is not stored twice. */
  async askAgain(turn: Turn): Promise<void> {
    if (this.busy) return;
    if (!turn.isStored || !turn.runId) {
      this.#recent = this.#recent.filter((one) => one !== turn);
      return this.ask(turn.question, turn.picked);
    }
    let again = this.#recent.find((one) => one === turn);
    if (!again) {
      this.#recent.push({ ...turn });
      again = this.#recent.at(-1)!;
    }
    reset(again);
    await this.#read(again, { run_id: turn.runId, ...choice(turn.picked) }, undefined, (failure) => {
      const known = failure instanceof ApiError && ["already_answered", "run_in_progress"].includes(failure.code);
      this.#failed(again, failure);
      // Another tab was faster: what it asked is shown.
      if (known) this.#recent = this.#recent.filter((one) => one !== again);
      return known ? this.#look() : undefined;
    });
  }

  async #read(
    turn: Turn,
    question: Question,
    onaccepted: (() => void) | undefined,
    onrefused: (failure: unknown) => void | Promise<void>,
  ): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#live = turn;
    let accepted = false;
    try {
      for await (const event of this.api.chat(question, abort.signal)) {
        apply(turn, event, new Date());
        if (accepted) continue;
        accepted = true;
        onaccepted?.();
        this.#tellTabs();
        if (turn.stopping) void this.#cancel(turn);
      }
      if (isLive(turn)) throw new Error("cut short");
      this.#announce(turn);
    } catch (failure) {
      if (abort.signal.aborted) await this.#stopped(turn);
      else if (accepted) this.#lost(turn, failure);
      else await onrefused(failure);
    } finally {
      if (this.#live === turn) this.#live = undefined;
      if (accepted) this.#tellTabs();
    }
  }

  /** A run began or ended: the server has the rest. */
  #tellTabs(): void {
    this.#tabs?.postMessage("changed");
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
    this.sent += 1;
    return this.#recent.at(-1)!;
  }

  /** Stops the answer at the server: its part is stored. Without a turn, the one that is read along. */
  stop(turn: Turn | undefined = this.#live): void {
    if (!turn) return;
    turn.stopping = true;
    if (turn.runId) void this.#cancel(turn);
    // It has not begun: when it does, it is stopped at once.
    else this.#giveUpLater(this.#abort);
  }

  async #cancel(turn: Turn): Promise<void> {
    const abort = turn === this.#live ? this.#abort : undefined;
    this.#giveUpLater(abort);
    try {
      await this.api.cancel(turn.runId!);
    } catch (failure) {
      // It may have ended by itself.
      const ended = failure instanceof ApiError && failure.status === 404;
      if (!ended && turn !== this.#live) this.#report(failure);
      abort?.abort();
    }
    this.announcement = "Stopped.";
    if (!abort) await this.#look();
    if (!abort) this.#tellTabs();
  }

  /** Stops reading when the server does not end the stream. */
  #giveUpLater(abort: AbortController | undefined): void {
    setTimeout(() => abort?.abort(), STOPPING);
  }

  async #stopped(turn: Turn): Promise<void> {
    turn.state = "stopped";
    turn.remark = "You stopped reading here.";
    this.announcement = "Stopped.";
    await this.#look();
  }

  /** Gives a question back of which the server knows nothing. */
  #refuse(turn: Turn, failure: unknown): void {
    const problem = fromFailure(failure);
    this.#recent = this.#recent.filter((one) => one !== turn);
    this.refused = { question: turn.question, problem };
    this.announcement = `${problem.title}. ${problem.detail}`;
    if (problem.signedOut) this.onSignedOut(problem);
  }

  /** The stream ended before the answer did. The server may have stored it, or still be writing. */
  #lost(turn: Turn, failure: unknown): void {
    this.#failed(turn, failure);
    if (turn.problem?.signedOut) return;
    this.#isLost = true;
    this.#looks = 0;
    this.#lookAgain();
  }

  #failed(turn: Turn, failure: unknown): void {
    turn.state = "failed";
    turn.problem = fromFailure(failure);
    this.announcement = `${turn.problem.title}. ${turn.problem.detail}`;
    if (turn.problem.signedOut) this.onSignedOut(turn.problem);
  }

  #announce(turn: Turn): void {
    const { problem, stopping } = turn;
    if (stopping && !problem) return void (this.announcement = "Stopped.");
    const text = (): string => plainText(answerText(turn), ANNOUNCED_CHARACTERS);
    this.announcement = problem ? `${problem.title}. ${problem.detail}` : `Answer: ${text()}`;
  }

  /** A visitor has no history, which is no problem. */
  #report(failure: unknown): void {
    if (failure instanceof ApiError && NOT_MEMBERS.has(failure.code)) return;
    this.problem = fromFailure(failure);
    if (this.problem.signedOut) this.onSignedOut(this.problem);
  }

  /** A turn that is over gives way when its run is stored. Why it failed is told only here. */
  #isStored(turn: Turn): boolean {
    if (turn.outcome || isLive(turn)) return false;
    // Stopped before the server had said a word: only the question can tell.
    if (turn.state === "stopped" && turn.runId === undefined) {
      return this.#stored.findLast(({ role }) => role === "human")?.content === turn.question;
    }
    const own = this.#stored.filter(({ run_id }) => run_id === turn.runId);
    const wasTold = turn.state === "failed" && turn.isOpen === true;
    return own.some(({ role }) => role === "ai" || !wasTold);
  }
}

function isLive({ state }: Turn): boolean {
  return state === "waiting" || state === "streaming";
}

function choice(model: string | undefined): { config?: { model: string } } {
  return model ? { config: { model } } : {};
}
