"""Asks Nexus a question with OpenAI's package for Python: in one piece, and as a stream."""

import os
import sys

from openai import OpenAI

client = OpenAI(
    base_url=os.environ["NEXUS_URL"] + "/v1",
    api_key=os.environ["NEXUS_API_KEY"],
)
question = " ".join(sys.argv[1:]) or "Who are you?"

# "nexus" is the model that this person has chosen. Persona and rules are added by the server.
answer = client.chat.completions.create(
    model="nexus",
    messages=[{"role": "user", "content": question}],
)
print(answer.choices[0].message.content)
print(f"-- {answer.model}, {answer.usage.total_tokens} tokens")

stream = client.chat.completions.create(
    model="nexus",
    messages=[{"role": "user", "content": question}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
