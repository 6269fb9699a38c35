// Thoughts that come inside of an answer, as models say them whose server does not tell them apart.

const THOUGHT = "<think>";

/** Some models write what they think before the answer, between tags. */
export function splitThought(text: string, finished: boolean): { thought?: string; answer: string } {
  const trimmed = text.trimStart();
  // So far it may become a tag: nothing flashes up that is gone with the next letter.
  if (!finished && trimmed && THOUGHT.startsWith(trimmed)) return { answer: "" };
  if (!trimmed.startsWith(THOUGHT)) return { answer: text };
  const [thought, ...answer] = trimmed.slice(THOUGHT.length).split("</think>");
  return { thought, answer: answer.join("</think>").trimStart() };
}
