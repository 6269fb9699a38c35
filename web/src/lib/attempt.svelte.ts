// Something that a person asked for and that may fail: whether it is under way, and what went wrong.

import { fromFailure, type Problem } from "./problem";
import { Declined } from "./signer.svelte";

export class Attempt {
  working = $state(false);
  problem = $state<Problem | undefined>();

  /** `leave` is told when the server does not know this person any more. */
  constructor(readonly leave?: (problem: Problem) => void) {}

  /** Whoever closes the question for a signature is told of no problem. */
  async run(act: () => Promise<unknown>): Promise<void> {
    this.working = true;
    this.problem = undefined;
    try {
      await act();
    } catch (failure) {
      if (!(failure instanceof Declined)) this.problem = fromFailure(failure);
      if (this.problem?.signedOut) this.leave?.(this.problem);
    } finally {
      this.working = false;
    }
  }
}
