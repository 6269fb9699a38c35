// Who sits here. A session of a key is a cookie that the server keeps; a pasted token lives as long as
// the tab, or longer only when asked to.

import { ApiError, anybody, connect, type Credential } from "./api";
import { holdDrafts, releaseDrafts } from "./drafts";
import { fromFailure, type Problem } from "./problem";
import { signer } from "./signer.svelte";
import type { SignedIn } from "./types";

const NAME = "nexus.token";

export type Somebody = SignedIn & { credential: Credential };

class Session {
  /** Until the server has told who is signed in, nobody knows. */
  knows = $state(false);
  who = $state.raw<Somebody | undefined>();
  /** Why the person was signed out, when it was not by choice. */
  reason = $state<string | undefined>();
  /** Why nobody knows. */
  problem = $state<Problem | undefined>();
  /** What this installation calls itself. */
  appName = $state<string | undefined>();

  /** Asks the server whether somebody is signed in, and only then who: to be signed out is no error. */
  async begin(): Promise<void> {
    this.problem = undefined;
    const token = read();
    const credential: Credential = token ? { kind: "token", token } : { kind: "cookie" };
    const api = connect(credential);
    try {
      const { app_name: name, signed_in: isSignedIn } = await api.door();
      this.appName = name ?? undefined;
      if (isSignedIn !== false) await this.#enter({ ...(await api.who()), credential });
      else if (token) this.drop("This token is not accepted any more.");
    } catch (failure) {
      if (!(failure instanceof ApiError && failure.status === 401)) {
        this.problem = fromFailure(failure);
        return;
      }
      if (token) this.drop("This token is not accepted any more.");
    }
    this.knows = true;
  }

  /** Signs in with the key of this address. */
  async signInWithKey(address: string): Promise<void> {
    const { message_template: template } = await anybody.challenge();
    const { message, signature } = await signer.signIn(address, template);
    const who = await anybody.verify(message, signature);
    forget();
    await this.#enter({ ...who, credential: { kind: "cookie" } });
  }

  async signInWithToken(token: string, keep: boolean): Promise<void> {
    const credential: Credential = { kind: "token", token };
    const who = await connect(credential).who();
    write(keep ? "localStorage" : "sessionStorage", token);
    await this.#enter({ ...who, credential });
  }

  /** Asks again whether the person is a member by now. */
  async refresh(): Promise<void> {
    const { who } = this;
    if (who) this.who = { ...(await connect(who.credential).who()), credential: who.credential };
  }

  /** Ends a session of a key on the server. A pasted token is only forgotten here: its owner has it
   * from elsewhere, and may use it elsewhere. */
  async signOut(): Promise<void> {
    const { who } = this;
    if (who?.credential.kind === "cookie") {
      await connect(who.credential).signOut().catch((failure: unknown) => {
        if (!(failure instanceof ApiError && failure.status === 401)) throw failure;
      });
    }
    this.drop();
  }

  /** Forgets who was signed in. */
  drop(reason?: string): void {
    this.reason = reason;
    this.who = undefined;
    signer.lock();
    releaseDrafts();
    forget();
  }

  async #enter(who: Somebody): Promise<void> {
    await holdDrafts(who.public_key);
    this.reason = undefined;
    this.who = who;
  }
}

function read(): string | undefined {
  try {
    return sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? undefined;
  } catch {
    return undefined;
  }
}

function forget(): void {
  for (const storage of ["sessionStorage", "localStorage"] as const) write(storage, undefined);
}

/** Without storage, the token is kept in memory until the page is closed. */
function write(storage: "sessionStorage" | "localStorage", token: string | undefined): void {
  try {
    if (token === undefined) window[storage].removeItem(NAME);
    else window[storage].setItem(NAME, token);
  } catch {
    // Nothing to do: see above.
  }
}

export const session = new Session();
