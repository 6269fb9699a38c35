// What the mock server says.

import type { Described, ModelList, Profile, SignedIn, StoredMessage } from "../src/lib/types";

const KEY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const MODEL = { name: "qwen3-8b", provider: "local", id: "qwen3:8b" };

const kind = { protocol: "openai", available: true, choosable: true, default_params: {} };

export const models: ModelList = {
  default: "echo",
  models: [
    { name: "echo", id: "echo", aliases: [], provider: "builtin", ...kind },
    { name: "qwen3-8b", id: "qwen3:8b", aliases: ["qwen"], provider: "local", ...kind },
    {
      name: "gemini-flash",
      id: "gemini-2.5-flash",
      aliases: [],
      provider: "google",
      ...kind,
      available: false,
      reason: "GEMINI_API_KEY is not set",
    },
  ],
};

export const profile: Profile = {
  public_key: KEY,
  created_at: "2026-11-02T09:12:00Z",
  app_name: "Nexus",
  time_zone: "Europe/Berlin",
  template_version: 3,
  field_options: {},
  notices: [
    { code: "clamped", field: "config.max_tokens", message: "max_tokens 90000 is above the limit: 8192 is used" },
  ],
  fields: [
    {
      field: "config.model",
      value: "qwen3-8b",
      layer: "identity",
      shadowed: [{ layer: "genesis", value: "echo" }],
      editable: true,
      bounds: { models: ["echo", "qwen3-8b", "gemini-flash"] },
    },
    {
      field: "config.temperature",
      value: 0.5,
      layer: "identity",
      shadowed: [
        { layer: "genesis", value: 0.7 },
        { layer: "catalog", value: 0.6 },
      ],
      editable: true,
      bounds: { min: 0, max: 2, steps: [{ size: 0.1, origin: 0 }] },
    },
    { field: "config.max_tokens", value: 4096, layer: "catalog", shadowed: [], editable: true, bounds: { min: 1, max: 8192 } },
    { field: "config.history_context_size", value: 20, layer: "genesis", shadowed: [], editable: false, lock: "not_editable" },
    {
      field: "prompts.persona",
      value: "You are warm, curious and brief. You speak like a friend who happens to know a lot.",
      layer: "genesis",
      shadowed: [],
      editable: true,
    },
    { field: "prompts.system", value: "Be honest. Say when you do not know.", layer: "genesis", shadowed: [], editable: false, lock: "prompt_not_editable" },
  ],
};

export const signedIn = (visitor: boolean): SignedIn => ({
  public_key: KEY,
  standing: visitor ? "visitor" : "member",
  is_admin: false,
  session: {
    id: "ses_0",
    scope: "personal",
    created_at: "2026-11-02T09:12:00Z",
    last_seen_at: "2026-11-02T09:12:00Z",
    expires_at: "2026-12-02T09:12:00Z",
    client: "",
  },
});

export const commands: Described[] = [
  {
    name: "key.list",
    description: "List your API keys, without their secrets.",
    usage: "key.list",
    arguments: [],
    audience: "member",
    needs_signature: false,
  },
];

const message = (id: number, run: string, role: StoredMessage["role"], content: string, metadata = {}): StoredMessage => ({
  id: `msg_${id}`,
  run_id: run,
  owner_key: KEY,
  role,
  content,
  timestamp: new Date(Date.now() - (100 - id) * 60_000).toISOString(),
  metadata,
});

export const history: StoredMessage[] = [
  message(1, "run_1", "human", "How do I count the words of all Markdown files here?"),
  message(
    2,
    "run_1",
    "ai",
    "With two tools that are on every machine:\n\n```sh\nfind . -name '*.md' -print0 | xargs -0 cat | wc -w\n```\n\n- `find` lists the files, and `-print0` keeps names with spaces whole.\n- `wc -w` counts the words.\n\n| Option | Meaning |\n|---|---|\n| `-w` | words |\n| `-l` | lines |\n",
    { model: MODEL, usage: { input_tokens: 412, output_tokens: 96 }, reasoning: "The person uses a shell. Keep it short." },
  ),
].reverse();

export function* answer(content: string, visitor: boolean): Generator<[string, unknown]> {
  const run_id = `run_${Date.now()}`;
  if (visitor) {
    yield ["run_started", { run_id, owner_key: KEY }];
    yield ["text_chunk", { chunk: "Welcome. Your key has no identity here yet.", channel: "guidance" }];
    yield ["run_finished", { run_id, status: "visitor_guidance_sent", message_ids: [] }];
    return;
  }
  yield ["run_started", { run_id, owner_key: KEY, message_id: "msg_a", model: MODEL.name, notices: profile.notices }];
  for (const word of "The person greets me. I answer kindly.".split(/(?<= )/)) {
    yield ["text_chunk", { chunk: word, channel: "reasoning" }];
  }
  yield ["tool_call_started", { call_id: "c1", tool_name: "web_search", args: { query: content } }];
  yield ["tool_call_finished", { call_id: "c1", tool_name: "web_search", status: "success", result: "Nothing new." }];
  const text = `You said:\n\n> ${content}\n\n**And I say** hello, with a [link](https://example.org) and \`code\`.\n\n\`\`\`rust\nfn main() {\n    println!("hello");\n}\n\`\`\`\n`;
  for (const word of text.split(/(?<= )/)) yield ["text_chunk", { chunk: word, channel: "answer" }];
  yield ["run_finished", { run_id, status: "completed", model: MODEL, usage: { input_tokens: 1830, output_tokens: 64 }, message_ids: ["msg_a", "msg_b"] }];
}
