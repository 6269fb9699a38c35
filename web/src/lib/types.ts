// What the server says, as `docs/api.md` describes it. Only what the page uses.

export type Layer = "builtin" | "catalog" | "genesis" | "group" | "identity" | "request";

export interface Notice {
  code: string;
  field: string;
  message: string;
}

export interface Bounds {
  min?: number;
  max?: number;
  steps?: { size: number; origin: number }[];
  numbers?: number[];
  models?: string[];
  tools?: string[];
  /** The only texts of a prompt. */
  texts?: string[];
  /** The longest text, in characters. */
  max_length?: number;
}

/** `ui.field_options` of the template: the control of a field, and what stands beside it. */
export interface FieldOptions {
  type?: "text" | "textarea" | "select" | "multiselect" | "slider" | "number";
  label?: string;
  description?: string;
  options?: unknown[];
  max_length?: number;
}

export interface ProfileField {
  /** `config.model`, `prompts.persona` */
  field: string;
  value: unknown;
  layer: Layer;
  /** What weaker layers had set, strong to weak. */
  shadowed: { layer: Layer; value: unknown }[];
  editable: boolean;
  lock?: string;
  bounds?: Bounds;
}

export interface Profile {
  public_key: string;
  created_at: string;
  app_name: string;
  template_version: number;
  fields: ProfileField[];
  field_options: Record<string, FieldOptions>;
  notices: Notice[];
  /** A name of the IANA time zone database. `null`: UTC. */
  time_zone: string | null;
}

export type Standing = "member" | "visitor" | "pending" | "disabled";

export interface SessionInfo {
  id: string;
  scope: string;
  created_at: string;
  last_seen_at: string;
  expires_at: string;
  client: string;
  /** Only in a list: whether it is the one that asked. */
  current?: boolean;
}

/** What the server tells before anybody has signed in. */
export interface Door {
  app_name?: string | null;
  /** `null`: it cannot tell at the moment. */
  signed_in?: boolean | null;
}

/** Who is signed in. */
export interface SignedIn {
  public_key: string;
  standing: Standing;
  /** For whoever is no member: why, and what to do. */
  guidance?: string;
  is_admin: boolean;
  session: SessionInfo;
}

export interface Challenge {
  message_template: string;
  chain_id: number;
}

export interface ApiKey {
  id: string;
  name: string;
  scopes: string[];
  models: string[] | null;
  created_at: string;
  expires_at: string;
  last_used_at: string | null;
  revoked_at: string | null;
}

export interface Argument {
  name: string;
  type: "text" | "count" | "list" | "value";
  required: boolean;
  description: string;
}

/** A command, as this server has it. */
export interface Described {
  name: string;
  description: string;
  usage: string;
  arguments: Argument[];
  audience: "visitor" | "member";
  needs_signature: boolean;
}

/** What came of a command. */
export interface Outcome {
  command: string;
  message: string;
  data: unknown;
}

export interface AnsweredBy {
  name: string;
  provider: string;
  id: string;
}

export interface Usage {
  input_tokens: number;
  output_tokens: number;
}

/** `args`, `function` and calls without an id are the original's. */
export interface StoredCall {
  id?: string;
  name?: string;
  arguments?: unknown;
  args?: unknown;
  function?: { name?: string; arguments?: unknown };
}

export interface StoredMessage {
  id: string;
  run_id: string;
  owner_key: string;
  role: "human" | "ai" | "tool" | "system";
  content: string;
  timestamp: string;
  metadata: {
    model?: AnsweredBy;
    usage?: Usage;
    /** Why the answer broke off. The question has it when no answer came at all. */
    interrupted?: string | boolean;
    /** What the `error` event of the run said. */
    error?: RunFailure;
    /** Why the model stopped: `stop`, `length`, `content_filter`… */
    finish_reason?: string;
    reasoning?: string;
    tool_calls?: StoredCall[];
    call_id?: string;
    /** What the original called it. */
    tool_call_id?: string;
    tool_name?: string;
    status?: string;
  };
}

export interface MessagePage {
  messages: StoredMessage[];
  next_cursor?: string | null;
}

export interface Model {
  name: string;
  id: string;
  aliases: string[];
  provider: string;
  available: boolean;
  reason?: string;
  choosable: boolean;
}

export interface ModelList {
  default: string;
  models: Model[];
}

/** One tool of a server. */
export interface Tool {
  /** The name for `config.tools`. */
  name: string;
  model_name: string;
  description: string;
  /** Whether the person has it. */
  on: boolean;
}

export interface ToolServer {
  name: string;
  kind: "builtin" | "stdio" | "http";
  reachable: boolean;
  reason?: string;
  tools: Tool[];
}

/** An answer that is being written, for this page or another reader. */
export interface RunInProgress {
  run_id: string;
  message_id: string | null;
  started_at: string;
}

/** Why a run gave no answer, or none that is whole. */
export interface RunFailure {
  code: string;
  message: string;
  field?: string;
  retryable: boolean;
}

export interface RunFinished {
  run_id: string;
  status: "completed" | "visitor_guidance_sent" | "tool_limit" | "interrupted" | "failed";
  /** Why, of one that was interrupted without an error: `cancelled`, `shutdown`. */
  interrupted?: string;
  model?: AnsweredBy;
  usage?: Usage;
  finish_reason?: string;
  message_ids: string[];
}

/** One Server-Sent Event of a run: its name and its payload. */
export type RunEvent =
  | { event: "run_started"; data: { run_id: string; message_id?: string; model?: string; notices?: Notice[] } }
  | { event: "notice"; data: Notice }
  | { event: "text_chunk"; data: { chunk: string; channel: "answer" | "reasoning" | "guidance" } }
  | { event: "tool_call_started"; data: { call_id: string; tool_name: string; args: unknown } }
  | {
      event: "tool_call_finished";
      data: { call_id: string; tool_name: string; status: string; result: string };
    }
  | { event: "error"; data: RunFailure }
  | { event: "run_finished"; data: RunFinished };
