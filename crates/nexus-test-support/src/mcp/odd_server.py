#!/usr/bin/env python3
"""An MCP server over standard input and output that misbehaves as its argument says.

    lies      answers calls with something that is no result
    garbage   writes what is not JSON between its messages
    dies      ends in the middle of a call
    grows     has another tool after the first call, and says so
    big       answers with a megabyte
    asks      asks the client for things that a client may refuse, before it answers
    mute      never answers a call
    silent    says nothing at all
"""

import json
import sys

behaviour = sys.argv[1]
tools = ["first"]


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(request, result):
    send({"id": request["id"], "result": result})


def call(request):
    text = {"content": [{"type": "text", "text": "done"}]}
    if behaviour == "lies":
        answer(request, {"content": "not a list", "isError": "perhaps"})
    elif behaviour == "dies":
        sys.exit(1)
    elif behaviour == "grows":
        tools.append("second")
        send({"method": "notifications/tools/list_changed"})
        answer(request, text)
    elif behaviour == "big":
        answer(request, {"content": [{"type": "text", "text": "x" * 1_000_000}]})
    elif behaviour == "asks":
        params = {"messages": [], "maxTokens": 1}
        send({"id": "ask", "method": "sampling/createMessage", "params": params})
        reply = json.loads(sys.stdin.readline())
        refused = reply.get("id") == "ask" and "error" in reply
        answer(request, {"content": [{"type": "text", "text": "refused" if refused else "granted"}]})
    elif behaviour != "mute":
        answer(request, text)


for line in sys.stdin:
    if behaviour == "silent":
        continue
    if behaviour == "garbage":
        sys.stdout.write("this is not JSON\n{\"neither\": \n")
    request = json.loads(line)
    method = request.get("method")
    if method == "initialize":
        answer(request, {
            "protocolVersion": request["params"]["protocolVersion"],
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "odd", "version": "1"},
        })
    elif method == "tools/list":
        schema = {"type": "object"}
        answer(request, {"tools": [{"name": name, "inputSchema": schema} for name in tools]})
    elif method == "tools/call":
        call(request)
