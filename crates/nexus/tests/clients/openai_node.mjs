// The official OpenAI package for Node, in scenes. Each scene prints one line of JSON: what this
// client saw. OPENAI_BASE_URL and OPENAI_API_KEY say where, MODEL says which model, and PACKAGES is
// the folder in which the package is installed.
//
// Usage: node openai_node.mjs SCENE...

import { createRequire } from "node:module";

const OpenAI = createRequire(`${process.env.PACKAGES}/`)("openai");

const MODEL = process.env.MODEL ?? "nexus";
const PIXEL = "data:image/png;base64,iVBORw0KGgo=";
const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    },
  },
};
const PLACE = {
  type: "json_schema",
  json_schema: {
    name: "Place",
    strict: true,
    schema: {
      type: "object",
      properties: { city: { type: "string" }, degrees: { type: "integer" } },
      required: ["city", "degrees"],
      additionalProperties: false,
    },
  },
};

const client = new OpenAI();

const user = (content) => ({ role: "user", content });

const ask = (question, more = {}, options = {}) =>
  client.chat.completions.create(
    { model: MODEL, messages: [user(question)], ...more },
    options,
  );

const textOf = async (answer) => (await answer).choices[0].message.content;

// The text of a stream, and how it came.
async function read(stream) {
  const seen = { text: "", pieces: 0, finish: null, tokens: null };
  const ids = new Set();
  for await (const chunk of await stream) {
    ids.add(chunk.id);
    if (chunk.usage) seen.tokens = chunk.usage.total_tokens;
    for (const { delta, finish_reason } of chunk.choices) {
      if (delta.content) seen.pieces += 1;
      seen.text += delta.content ?? "";
      seen.finish = finish_reason ?? seen.finish;
    }
  }
  return { ...seen, ids: ids.size };
}

// The error of a request, which must say something to a person.
async function caught(attempt) {
  try {
    await attempt;
  } catch (error) {
    if (!error.error?.message) throw error;
    return error;
  }
  throw new Error("it was not refused");
}

async function refused(attempt) {
  const error = await caught(attempt);
  return { class: error.constructor.name, status: error.status };
}

const scenes = {
  async chat() {
    const answer = await client.chat.completions.create({
      model: MODEL,
      messages: [
        { role: "system", content: "Answer in French." },
        user("Who are you?"),
        { role: "assistant", content: "Your assistant." },
        user("hello"),
      ],
      temperature: 0.3,
    });
    const [choice] = answer.choices;
    return {
      object: answer.object,
      role: choice.message.role,
      text: choice.message.content,
      finish: choice.finish_reason,
      tokens: answer.usage.total_tokens,
    };
  },

  stream: () => read(ask("hello", { stream: true })),

  stream_with_usage: () =>
    read(ask("hello", { stream: true, stream_options: { include_usage: true } })),

  async tools() {
    const messages = [user("What is the weather in Paris and in Rome?")];
    const next = () =>
      client.chat.completions.create({ model: MODEL, messages, tools: [WEATHER] });
    const [choice] = (await next()).choices;
    messages.push(choice.message);
    for (const call of choice.message.tool_calls) {
      const { city } = JSON.parse(call.function.arguments);
      messages.push({ role: "tool", tool_call_id: call.id, content: `rain in ${city}` });
    }
    return {
      finish: choice.finish_reason,
      names: choice.message.tool_calls.map((call) => call.function.name),
      text: await textOf(next()),
    };
  },

  async tools_stream() {
    const stream = client.chat.completions.stream({
      model: MODEL,
      messages: [user("What is the weather in Paris and in Rome?")],
      tools: [WEATHER],
    });
    const [choice] = (await stream.finalChatCompletion()).choices;
    const calls = choice.message.tool_calls.map((call) => call.function);
    return {
      finish: choice.finish_reason,
      calls: calls.map((call) => [call.name, JSON.parse(call.arguments)]),
    };
  },

  structured: async () =>
    JSON.parse(await textOf(ask("Which city?", { response_format: PLACE }))),

  async choices() {
    const { choices } = await ask("hello", {
      n: 2,
      logprobs: true,
      top_logprobs: 1,
      seed: 7,
      stop: ["END"],
      logit_bias: { 50256: -100 },
    });
    return {
      texts: choices.map((choice) => choice.message.content),
      tokens: choices.map((choice) => choice.logprobs.content[0].token),
    };
  },

  unknown_field: async () => ({ text: await textOf(ask("hello", { lab_mode: "deep" })) }),

  async image() {
    const parts = [
      { type: "text", text: "What is this?" },
      { type: "image_url", image_url: { url: PIXEL, detail: "low" } },
    ];
    return { text: await textOf(ask(parts)) };
  },

  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    const { id } = await client.models.retrieve(MODEL);
    return { listed: names.includes(MODEL), retrieved: id === MODEL };
  },

  wrong_key: () => refused(client.withOptions({ apiKey: "nxk_wrong" }).models.list()),

  wrong_key_chat: () =>
    refused(
      client
        .withOptions({ apiKey: "nxk_wrong" })
        .chat.completions.create({ model: MODEL, messages: [user("hello")] }),
    ),

  unknown_model: () => refused(ask("hello", { model: "no-such-model" })),

  no_messages: () => refused(ask("hello", { messages: [] })),

  bad_parameter: () => refused(ask("hello", { temperature: "hot" })),

  fails_once: async () => ({ text: await textOf(ask("fail once")) }),

  async fails_once_stream() {
    const { text } = await read(ask("fail once, streaming", { stream: true }));
    return { text };
  },

  busy_once: async () => ({ text: await textOf(ask("be busy once")) }),

  async down() {
    // A status of 500 or above; which one is not the same everywhere.
    const error = await caught(ask("be down", {}, { maxRetries: 0 }));
    return { class: error.constructor.name };
  },

  // The provider hangs up in the middle: that must not look like an end.
  async breaks() {
    let text = "";
    try {
      for await (const chunk of await ask("break off", { stream: true })) {
        text += chunk.choices[0].delta.content ?? "";
      }
    } catch {
      return { text, noticed: true };
    }
    return { text, noticed: false };
  },

  async cancel() {
    const stream = await ask("go on forever", { stream: true });
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content;
      if (text) {
        stream.controller.abort();
        return { text };
      }
    }
  },

  async headers() {
    const { data, response } = await ask("hello").withResponse();
    const ours = [...response.headers].filter(([name]) => name.startsWith("x-nexus-"));
    return { text: data.choices[0].message.content, ours: Object.fromEntries(ours) };
  },

  // Where each setting of this answer came from.
  async explained() {
    const options = { headers: { "x-nexus-explain": "1" } };
    return (await ask("hello", {}, options)).nexus;
  },

  // Refused with 429 while another answer runs, and answered by the client's own second try.
  async limited() {
    const running = await ask("go on forever", { stream: true });
    await running[Symbol.asyncIterator]().next();
    const seen = await refused(ask("hello", {}, { maxRetries: 0 }));
    const waits = [];
    const watched = new OpenAI({
      maxRetries: 5,
      async fetch(...request) {
        const response = await fetch(...request);
        if (response.status === 429) {
          waits.push(Number(response.headers.get("retry-after")));
          running.controller.abort();
        }
        return response;
      },
    });
    const answer = watched.chat.completions.create({ model: MODEL, messages: [user("hello")] });
    return { refused: seen, text: await textOf(answer), waited: waits[0] >= 1 };
  },

  async responses() {
    const answer = await client.responses.create({
      model: MODEL,
      input: "hello",
      instructions: "Answer in French.",
    });
    return { status: answer.status, text: answer.output_text };
  },

  async responses_stream() {
    let text = "";
    const kinds = [];
    const stream = await client.responses.create({ model: MODEL, input: "hello", stream: true });
    for await (const event of stream) {
      kinds.push(event.type);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    return { text, first: kinds.at(0), last: kinds.at(-1) };
  },
};

for (const scene of process.argv.slice(2)) {
  console.log(JSON.stringify({ [scene]: await scenes[scene]() }));
}
