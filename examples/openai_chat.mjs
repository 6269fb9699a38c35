// Asks Nexus a question with OpenAI's package for Node: in one piece, and as a stream.

import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.NEXUS_URL}/v1`,
  apiKey: process.env.NEXUS_API_KEY,
});
const question = process.argv.slice(2).join(" ") || "Who are you?";
const messages = [{ role: "user", content: question }];

// "nexus" is the model that this person has chosen. Persona and rules are added by the server.
const answer = await client.chat.completions.create({ model: "nexus", messages });
console.log(answer.choices[0].message.content);
console.log(`-- ${answer.model}, ${answer.usage.total_tokens} tokens`);

const stream = await client.chat.completions.create({ model: "nexus", messages, stream: true });
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
}
console.log();
