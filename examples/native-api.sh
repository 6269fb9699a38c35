#!/bin/sh
# Asks Nexus a question over its own API, with curl alone.
#
# Usage: NEXUS_URL=http://127.0.0.1:8000 NEXUS_API_KEY=nxk_… sh native-api.sh "A question"

set -eu
: "${NEXUS_URL:?say where Nexus is, such as http://127.0.0.1:8000}"
: "${NEXUS_API_KEY:?make one with: nexus key create examples --scopes chat,models.read}"
question=${1:-Who are you?}

# The key goes through standard input, so that other users of this machine do not see it in `ps`.
ask() {
    printf 'header = "Authorization: Bearer %s"\n' "$NEXUS_API_KEY" \
        | curl --silent --show-error --fail-with-body --no-buffer --config - "$@"
}

echo "The models of this server:"
ask "$NEXUS_URL/api/v1/models" | tr '{' '\n' | sed -n 's/^"name":"\([^"]*\)".*/  \1/p'

# An answer is a stream of events (docs/api.md): text_chunk holds a part of it, run_finished ends it.
echo "The answer, event by event:"
text=$(printf '%s' "$question" | sed 's/\\/\\\\/g; s/"/\\"/g')
ask "$NEXUS_URL/api/v1/chat" \
    --header 'Content-Type: application/json' \
    --data "{\"content\": \"$text\"}"
