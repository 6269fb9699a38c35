// The native API of the server. A session travels in a cookie that no script can read, a pasted token
// in a header; neither is ever in an address.

import { readEvents } from "./sse";
import type {
  Challenge,
  Described,
  Door,
  MessagePage,
  ModelList,
  Outcome,
  Profile,
  RunEvent,
  RunInProgress,
  SignedIn,
  ToolServer,
} from "./types";

/** What requests show. */
export type Credential = { kind: "cookie" } | { kind: "token"; token: string };

/** The server understood and said no. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryable = false,
    /** The field that is wrong. */
    readonly field?: string,
    /** After how many seconds asking again may help. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The server was not reached, or what answered was not Nexus. */
export class Unreachable extends Error {}

/** A part of the page that is fetched when it is wanted. */
export function loaded<T>(part: Promise<T>): Promise<T> {
  return part.catch(() => {
    throw new Unreachable("A part of this page could not be loaded. If the server was updated, reload the page.");
  });
}

/** A new question, or the run whose stored question is asked again. */
export type Question = ({ content: string } | { run_id: string }) & { config?: { model: string } };

/** What a signature adds to a request. */
export interface Signature {
  headers: Record<string, string>;
}

export interface Api {
  /** What the server tells everybody, and whether this credential is that of somebody. */
  door(): Promise<Door>;
  who(): Promise<SignedIn>;
  signOut(): Promise<void>;
  profile(): Promise<Profile>;
  models(): Promise<ModelList>;
  /** Servers that are not connected yet are connected for this, which may take some seconds. */
  tools(): Promise<ToolServer[]>;
  messages(cursor?: string): Promise<MessagePage>;
  chat(question: Question, signal: AbortSignal): AsyncGenerator<RunEvent>;
  /** The answers that are being written. */
  runs(): Promise<RunInProgress[]>;
  /** Stops an answer. What came of it is stored when this returns, or soon after. */
  cancel(run: string): Promise<void>;
  /** `body` is sent as it is: it is what the signature is about. */
  execute(body: string, signature?: Signature): Promise<Outcome>;
  /** Everything that is stored about the person, and the name of the file. */
  export(): Promise<{ name: string; content: Blob }>;
}

export const EXECUTE = "/api/v1/commands/execute";

const PAGE_SIZE = 50;
const JSON_BODY = { "Content-Type": "application/json" };

/** How far the clock of the server is ahead of the one here, in milliseconds. */
let ahead = 0;

/** What time the server has, as far as its last answer told. Signatures are only good for minutes. */
export const serverTime = (): Date => new Date(Date.now() + ahead);

/** What anybody may ask. */
export const anybody = {
  challenge: (): Promise<Challenge> => json("/api/v1/auth/challenge", { method: "POST" }),
  /** Signs in. The session comes as a cookie. */
  verify: (message: string, signature: string): Promise<SignedIn> =>
    json("/api/v1/auth/verify", {
      method: "POST",
      headers: JSON_BODY,
      body: JSON.stringify({ message, signature, cookie: true }),
    }),
  commands: async (): Promise<Described[]> => {
    const { commands } = await json<{ commands: Described[] }>("/api/v1/commands", {});
    return commands;
  },
};

export function connect(credential: Credential): Api {
  const shown = show(credential);
  const get = <T>(path: string): Promise<T> => json(path, shown);
  const post = (path: string, body: string, more: RequestInit = {}): Promise<Response> => {
    const headers = { ...shown.headers, ...JSON_BODY, ...more.headers };
    return call(path, { ...shown, ...more, method: "POST", headers, body });
  };
  return {
    door: () => get("/api/v1"),
    who: () => get("/api/v1/auth/session"),
    signOut: async () => void (await call("/api/v1/auth/session", { ...shown, method: "DELETE" })),
    profile: () => get("/api/v1/profile"),
    models: () => get("/api/v1/models"),
    tools: async () => (await get<{ servers: ToolServer[] }>("/api/v1/tools")).servers,
    messages: (cursor) => {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
      if (cursor) query.set("cursor", cursor);
      return get(`/api/v1/messages?${query}`);
    },
    async *chat(question, signal) {
      const response = await post("/api/v1/chat", JSON.stringify(question), { signal });
      if (!response.body) return notNexus();
      for await (const { event, data } of readEvents(response.body)) {
        yield { event, data: JSON.parse(data) } as RunEvent;
      }
    },
    runs: async () => (await get<{ runs: RunInProgress[] }>("/api/v1/runs")).runs,
    cancel: async (run) =>
      void (await call(`/api/v1/runs/${encodeURIComponent(run)}/cancel`, { ...shown, method: "POST" })),
    execute: async (body, signature) => {
      const response = await post(EXECUTE, body, { headers: signature?.headers ?? {} });
      return (await response.json().catch(notNexus)) as Outcome;
    },
    export: async () => {
      const response = await call("/api/v1/export", shown);
      const named = /filename="([\w.-]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
      return { name: named?.[1] ?? "nexus.jsonl", content: await response.blob() };
    },
  };
}

interface Shown {
  credentials: RequestCredentials;
  headers: Record<string, string>;
}

function show(credential: Credential): Shown {
  const headers: Record<string, string> = { Accept: "application/json, text/event-stream" };
  if (credential.kind === "cookie") return { credentials: "same-origin", headers };
  return { credentials: "omit", headers: { ...headers, Authorization: `Bearer ${credential.token}` } };
}

async function json<T>(path: string, init: RequestInit): Promise<T> {
  const response = await call(path, init);
  return (await response.json().catch(notNexus)) as T;
}

async function call(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, cache: "no-store", redirect: "error" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable("The server did not answer.");
  }
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isFinite(date)) ahead = date - Date.now();
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => undefined);
  throw asApiError(response.status, body, Number(response.headers.get("Retry-After")));
}

function asApiError(status: number, body: unknown, retryAfter: number): ApiError {
  const error = (body as { error?: Partial<ApiError> } | undefined)?.error;
  const message =
    typeof error?.message === "string" ? error.message : `The server answered with ${status}.`;
  return new ApiError(status, error?.code ?? "unknown", message, error?.retryable, error?.field, retryAfter || undefined);
}

function notNexus(): never {
  throw new Unreachable("What answered is not Nexus.");
}
