// The token of the person who sits here. It lives as long as the tab, or longer only when asked to.

const NAME = "nexus.token";

class Session {
  token = $state<string | undefined>(read());
  /** Why the person was signed out, when it was not by choice. */
  reason = $state<string | undefined>();

  signIn(token: string, keep: boolean): void {
    this.reason = undefined;
    this.token = token;
    write(keep ? "localStorage" : "sessionStorage", token);
  }

  signOut(reason?: string): void {
    this.reason = reason;
    this.token = undefined;
    for (const storage of ["sessionStorage", "localStorage"] as const) write(storage, undefined);
  }
}

function read(): string | undefined {
  try {
    return sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? undefined;
  } catch {
    return undefined;
  }
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
