#!/bin/sh
# Simon Willison's `llm`, in scenes. The text of each answer goes to standard output, one scene a line.
# OPENAI_BASE_URL and OPENAI_API_KEY say where, MODEL says which model, and LLM_USER_PATH is a folder
# of its own for its settings and its log.

set -eu

cat >"$LLM_USER_PATH/extra-openai-models.yaml" <<END
- model_id: nexus
  model_name: $MODEL
  api_base: $OPENAI_BASE_URL
  api_key_name: nexus
  supports_tools: true
  supports_schema: true
  vision: true
END

ask() { python3 -m llm prompt --key "$OPENAI_API_KEY" --model nexus "$@"; }
scene() { printf '%s: ' "$1"; }

scene chat
ask --no-stream --system 'Answer in French.' --option temperature 0.3 hello
scene stream
ask hello
scene continue
ask --continue hello
scene structured
ask --schema 'city, degrees int' 'Which city?'
scene tools
ask --functions 'def get_weather(city: str) -> str:
    return "rain in " + city' 'What is the weather in Paris and in Rome?'
