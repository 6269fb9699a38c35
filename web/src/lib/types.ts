// The words of the page for what the server says. The contract itself is made from the server's
// code: see contract.ts. What else stands here are shapes of the original that stored messages may
// still have.

import type { components } from "../../contract";

type Schemas = components["schemas"];

export type Layer = Schemas["Layer"];
export type Notice = Schemas["Notice"];
export type Bounds = Schemas["Bounds"];
export type FieldOptions = Schemas["FieldOptions"];
export type ProfileField = Schemas["ProfileField"];
export type Profile = Schemas["Profile"];
export type Standing = Schemas["SignedInStanding"];
/** `current` only in a list: whether it is the one that asked. */
export type SessionInfo = Schemas["Session"] & Partial<Pick<Schemas["ListedSession"], "current">>;
/** What the server tells before anybody has signed in. */
export type Door = Pick<Schemas["ServerInfo"], "app_name" | "signed_in">;
export type SignedIn = Schemas["SignedIn"];
export type Challenge = Schemas["Challenge"];
export type ApiKey = Schemas["ApiKey"];
export type Argument = Schemas["Argument"];
export type Described = Schemas["CommandDescription"];
export type AnsweredBy = Schemas["AnsweredBy"];
export type Usage = Schemas["TokenUsage"];
export type Model = Schemas["Model"];
export type ModelList = Schemas["ModelList"];
export type Tool = Schemas["Tool"];
export type ToolServer = Schemas["ToolServer"];
export type RunInProgress = Schemas["ActiveRun"];
/** Why a run gave no answer, or none that is whole. */
export type RunFailure = Schemas["RunError"];
export type RunFinished = Schemas["RunFinished"];
/** One Server-Sent Event of a run: its name and its payload. */
export type RunEvent = Schemas["ChatEvent"];

/** What came of a command. */
export interface Outcome {
  command: string;
  message: string;
  data: unknown;
}

/** `args`, `function` and calls without an id are the original's. */
export interface StoredCall {
  id?: string;
  name?: string;
  arguments?: unknown;
  args?: unknown;
  function?: { name?: string; arguments?: unknown };
}

/** A message with what its metadata may hold. */
export type StoredMessage = Omit<Schemas["Message"], "metadata"> & {
  metadata: Schemas["MessageMetadata"] & {
    /** Why the answer broke off. The question has it when no answer came at all. */
    interrupted?: string | boolean;
    tool_calls?: StoredCall[];
    call_id?: string;
    /** What the original called it. */
    tool_call_id?: string;
    tool_name?: string;
    status?: string;
  };
};

export type MessagePage = Omit<Schemas["MessagePage"], "messages"> & { messages: StoredMessage[] };
