// The native API of the server. The token travels in a header, never in an address.

import { readEvents } from "./sse";
import type { MessagePage, ModelList, Profile, RunEvent } from "./types";

/** The server understood and said no. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryable = false,
  ) {
    super(message);
  }
}

/** The server was not reached, or what answered was not Nexus. */
export class Unreachable extends Error {}

export interface Question {
  content: string;
  config?: { model: string };
}

export interface Api {
  profile(): Promise<Profile>;
  models(): Promise<ModelList>;
  messages(cursor?: string): Promise<MessagePage>;
  chat(question: Question, signal: AbortSignal): AsyncGenerator<RunEvent>;
}

const PAGE_SIZE = 50;

export function connect(token: string): Api {
  const get = async <T>(path: string): Promise<T> => {
    const response = await call(path, { headers: headers(token) });
    return (await response.json().catch(notNexus)) as T;
  };
  return {
    profile: () => get("/api/v1/profile"),
    models: () => get("/api/v1/models"),
    messages: (cursor) => {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
      if (cursor) query.set("cursor", cursor);
      return get(`/api/v1/messages?${query}`);
    },
    async *chat(question, signal) {
      const response = await call("/api/v1/chat", {
        method: "POST",
        headers: { ...headers(token), "Content-Type": "application/json" },
        body: JSON.stringify(question),
        signal,
      });
      if (!response.body) return notNexus();
      for await (const { event, data } of readEvents(response.body)) {
        yield { event, data: JSON.parse(data) } as RunEvent;
      }
    },
  };
}

function headers(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token}`, Accept: "application/json, text/event-stream" };
}

async function call(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable("The server did not answer.");
  }
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => undefined);
  throw asApiError(response.status, body);
}

function asApiError(status: number, body: unknown): ApiError {
  const error = (body as { error?: Partial<ApiError> } | undefined)?.error;
  const message =
    typeof error?.message === "string" ? error.message : `The server answered with ${status}.`;
  return new ApiError(status, error?.code ?? "unknown", message, error?.retryable);
}

function notNexus(): never {
  throw new Unreachable("What answered is not Nexus.");
}
