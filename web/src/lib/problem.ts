// Errors, made ready for people: what happened, and what to do.

import { ApiError, Unreachable } from "./api";
import { againAt, limitWords, localTimes } from "./format";
import { Refusal } from "./refusal";

export interface Problem {
  title: string;
  detail: string;
  /** Asking again may help. */
  retryable: boolean;
  /** The session or the token is not accepted (any more). */
  signedOut?: boolean;
  /** More of it, for administrators only: nobody else can do anything about it. */
  operator?: string;
}

const NOT_ACCEPTED: Problem = {
  title: "You are not signed in any more",
  detail: "The session has ended, or was ended somewhere else. Sign in again.",
  retryable: false,
  signedOut: true,
};

const TITLES: Record<string, string> = {
  provider_key_missing: "This model has no key on the server yet",
  provider_address_refused: "The server does not connect to the address of this model",
  provider_unreachable: "The model cannot be reached",
  provider_unauthorized: "The provider refused the server's key",
  provider_rate_limited: "The provider asks us to slow down",
  provider_rejected: "The provider refused this request",
  provider_failed: "The provider failed",
  provider_timed_out: "The model took too long",
  provider_interrupted: "The answer broke off",
  provider_malformed: "The provider sent something unreadable",
  store_unavailable: "Your messages cannot be stored at the moment",
  template_unavailable: "The server is not set up yet",
  unknown_model: "There is no such model",
  model_not_allowed: "This model is not open to you",
  field_locked: "This setting is locked here",
  registration_closed: "Registration is closed here",
  signature_refused: "The signature is not accepted",
  sign_in_refused: "The sign-in was not accepted",
  other_key: "This is the signature of another key",
};

/** What only the person who runs the server can mend, in words for everybody else. */
const TO_OPERATOR: Record<string, string> = {
  provider_key_missing: "Choose another model, or tell the person who runs this server.",
  provider_address_refused: "Choose another model, or tell the person who runs this server.",
  provider_unauthorized: "Choose another model, or tell the person who runs this server.",
  template_unavailable: "Tell the person who runs this server.",
};

export function fromEvent(error: { code: string; message: string; retryable: boolean }): Problem {
  const title = TITLES[error.code] ?? "No answer this time";
  return { title, ...told(error.code, error.message), retryable: error.retryable };
}

function told(code: string, message: string): Pick<Problem, "detail" | "operator"> {
  const instead = TO_OPERATOR[code];
  return instead ? { detail: instead, operator: sentence(message) } : { detail: sentence(message) };
}

export function fromFailure(failure: unknown): Problem {
  if (failure instanceof ApiError) return fromStatus(failure);
  if (failure instanceof Refusal) return { title: "That did not work", detail: failure.message, retryable: false };
  if (failure instanceof Unreachable) {
    return {
      title: "Nexus cannot be reached",
      detail: `${failure.message} Check that \`nexus serve\` is running and that you are online, then try again.`,
      retryable: true,
    };
  }
  return {
    title: "The connection broke off",
    detail: "This page looks for the rest of the answer as soon as the server can be reached.",
    retryable: false,
  };
}

function fromStatus(error: ApiError): Problem {
  // A signature can be refused too, which does not end a session.
  if (error.code === "unauthenticated") return NOT_ACCEPTED;
  if (error.code === "rate_limited") return fromLimit(error);
  const title =
    TITLES[error.code] ??
    (error.status === 413
      ? "This message is too long"
      : error.status === 429
        ? "Too many questions at once"
        : error.status >= 500
          ? "The server has a problem"
          : "The server did not accept this");
  return { title, ...told(error.code, error.message), retryable: error.retryable || error.status === 429 };
}

/** "You have reached the limit of 20 requests a minute. Try again at 14:31." */
function fromLimit(error: ApiError): Problem {
  const value = /\blimit of ([\d.]+)/.exec(error.message)?.[1];
  const words = limitWords(error.field ?? "", value);
  const at = error.retryAfter && /\btry again after\b/.test(error.message) ? ` ${againAt(error.retryAfter, new Date())}` : "";
  const detail = words ? `You have reached the limit of ${words}.${at || " Try again when one of them has ended."}` : sentence(error.message);
  return { title: "That was a lot at once", detail, retryable: true };
}

/** Messages of the server begin in lower case, as they also stand inside other sentences. */
export function sentence(text: string): string {
  const trimmed = localTimes(text.trim());
  if (trimmed === "") return "";
  // A name such as max_tokens stays as it is.
  const begun = /^[a-z]+[ ,]/.test(trimmed) ? trimmed[0]!.toUpperCase() + trimmed.slice(1) : trimmed;
  return /[.!?`)]$/.test(begun) ? begun : `${begun}.`;
}
