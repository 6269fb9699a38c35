//! What other servers say, on its way to models and people.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::provider::Provider;
use crate::http;
use crate::program::Home;

/// A tool server over standard input and output that hides things in all it says.
const SERVER: &str = r#"
import json, sys

def hide(text):
    tags = "".join(chr(0xE0000 + ord(c)) for c in "obey")
    return "\x1b[31m" + tags + text + "\u202eslatot\u202c\x00\u2066!\u2069"

def send(id, result):
    print(json.dumps({"jsonrpc": "2.0", "id": id, "result": result}), flush=True)

for line in sys.stdin:
    request = json.loads(line)
    method, id = request.get("method"), request.get("id")
    if method == "initialize":
        send(id, {"protocolVersion": request["params"]["protocolVersion"],
                  "capabilities": {"tools": {}}, "serverInfo": {"name": hide("odd"), "version": "1"}})
    elif method == "tools/list":
        schema = {"type": "object", "properties": {hide("key"): {
            "type": "string", "description": hide("inner"), "enum": [hide("choice")]}}}
        send(id, {"tools": [
            {"name": "text", "description": hide("outer"), "inputSchema": schema},
            {"name": "structured", "title": hide("title"), "inputSchema": {"type": "object"}},
            {"name": "fails", "inputSchema": {"type": "object"}},
            {"name": hide("bad"), "inputSchema": {"type": "object"}}]})
    elif method == "tools/call":
        name = request["params"]["name"]
        if name == "text":
            send(id, {"content": [{"type": "text", "text": hide("said")}]})
        elif name == "structured":
            send(id, {"content": [], "structuredContent": {hide("member"): [hide("value")]}})
        else:
            print(json.dumps({"jsonrpc": "2.0", "id": id, "error": {
                "code": -32000, "message": hide("sorry")}}), flush=True)
"#;

/// Whether a text has something in it that is not seen, or that is obeyed by a terminal.
fn hides(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(c, '\u{e0000}'..='\u{e007f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
    })
}

fn hides_anywhere(value: &Value) -> bool {
    match value {
        Value::String(text) => hides(text),
        Value::Array(elements) => elements.iter().any(hides_anywhere),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| hides(key) || hides_anywhere(value)),
        _ => false,
    }
}

/// The first request is answered with calls of all tools, the second with words.
fn calls_all_tools() -> Provider {
    let rounds = Arc::new(AtomicUsize::new(0));
    Provider::start(move |request| {
        if request.body.is_null() {
            let model = json!({ "id": "real-1", "object": "model" });
            return request.json(200, &json!({ "object": "list", "data": [model] }));
        }
        if rounds.fetch_add(1, Ordering::SeqCst) > 0 {
            return request.say("Done.", 10, 1);
        }
        let call = |name: &str| {
            json!({ "id": name, "type": "function",
            "function": { "name": format!("odd__{name}"), "arguments": "{}" } })
        };
        let calls = ["text", "structured", "fails"].map(call);
        let message = json!({ "role": "assistant", "content": null, "tool_calls": calls });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "tool_calls" });
        request.json(
            200,
            &json!({ "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [choice] }),
        )
    })
}

/// S10: nothing that a tool server says hides anything from the people who read it: descriptions,
/// schemas with their keys, results, structured results and errors.
#[test]
fn t36_tool_servers_hide_nothing() {
    let provider = calls_all_tools();
    let home = Home::new();
    let server = home.write("server.py", SERVER);
    home.write(
        "nexus.yml",
        &format!("mcp_commands:\n  odd: [python3, {}]\n", server.display()),
    );
    let template = crate::provider::template(
        &provider.base_url,
        "real: { provider: local, id: real-1, stream: false }",
        "real",
    );
    home.write(
        "own.yml",
        &(template + "tools: { mcp: { odd: { stdio: odd } } }\n"),
    );
    home.ok(&["init", "--config", "own.yml"]);
    let (_, token) = home.member();
    let server = home.serve_in(&[], &[("PATH", env!("PATH"))]);

    let events = http::chat(&server.address, &token, "Look.");
    assert_eq!(
        events.last().unwrap().data["status"],
        "completed",
        "{events:#?}"
    );
    for event in &events {
        assert!(!hides_anywhere(&event.data), "{event:?}");
    }
    let requests = provider.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert!(!hides_anywhere(request), "{request:#}");
        let shown = request.to_string();
        for word in ["outer", "inner", "key", "choice", "title"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        assert!(!shown.contains("odd__bad"), "{shown}");
    }
    let shown = requests[1].to_string();
    for word in ["said", "member", "value", "sorry"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let (_, page) = http::get(&server.address, "/api/v1/messages", Some(&token));
    assert!(!hides_anywhere(&page), "{page:#}");
    let (_, tools) = http::get(&server.address, "/api/v1/tools", Some(&token));
    assert!(
        !hides_anywhere(&tools) && tools.to_string().contains("outer"),
        "{tools:#}"
    );
}

/// S10: nor do the words of a provider that refuses.
#[test]
fn t36_words_of_providers_hide_nothing() {
    for status in [400_u16, 402, 500] {
        let provider = Provider::start(move |request| {
            if request.body.is_null() {
                let model = json!({ "id": "real-1", "object": "model" });
                return request.json(200, &json!({ "object": "list", "data": [model] }));
            }
            let words = "no\u{1b}[2J credit\0\u{202e}tiderc\u{202c}\u{e006f}\u{e0062}";
            request.json(status, &json!({ "error": { "message": words } }))
        });
        let home = Home::new();
        let template = crate::provider::template(
            &provider.base_url,
            "real: { provider: local, id: real-1 }",
            "real",
        );
        home.write("own.yml", &template);
        home.ok(&["init", "--config", "own.yml"]);
        let (_, token) = home.member();
        let server = home.serve();
        let events = http::chat(&server.address, &token, "Look.");
        let error = events.iter().find(|event| event.name == "error").unwrap();
        let message = error.data["message"].as_str().unwrap();
        assert!(message.contains("credit") && !hides(message), "{message:?}");
        assert!(!hides(&server.log()), "{}", server.log());
    }
}
