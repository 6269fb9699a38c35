//! Its answers in OpenAI's protocol.

use serde_json::{Value, json};

use super::{Act, MODEL, Message, Reply};

pub(super) fn reply(act: &Act, request: &Value) -> Reply {
    match act {
        Act::Refuse(status, message, code) => Reply::Json(*status, error(message, *code)),
        Act::BeBusy => Reply::Busy(error("Slow down.", Some("rate_limit_exceeded"))),
        Act::BreakOff => Reply::Broken(event(&one_word())),
        Act::GoOn => Reply::Endless(event(&one_word())),
        Act::Say(message) if request["stream"] == true => {
            let events: String = streamed(message, request).iter().map(event).collect();
            Reply::Stream(events + "data: [DONE]\n\n")
        }
        Act::Say(message) => Reply::Json(200, at_once(message, request)),
    }
}

pub(super) fn models(head: &str) -> Reply {
    let model =
        json!({"id": MODEL, "object": "model", "created": 1_760_000_000, "owned_by": "lab"});
    if head.starts_with("GET /v1/models ") {
        Reply::Json(200, json!({"object": "list", "data": [model]}))
    } else {
        Reply::Json(200, model)
    }
}

fn error(message: &str, code: Option<&str>) -> Value {
    json!({"error": {
        "message": message, "type": "invalid_request_error", "param": null, "code": code
    }})
}

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

fn one_word() -> Value {
    chunk(&json!({"content": "Hello "}), None)
}

fn call((id, arguments): &(&str, Value)) -> Value {
    let function = json!({"name": "get_weather", "arguments": arguments.to_string()});
    json!({"id": id, "type": "function", "function": function})
}

fn at_once(message: &Message, request: &Value) -> Value {
    let (message, finish) = match message {
        Message::Text(text) => (json!({"role": "assistant", "content": text}), "stop"),
        Message::Calls(calls) => {
            let calls = calls.each_ref().map(call);
            let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
            (message, "tool_calls")
        }
    };
    let token = json!({"token": "Hello", "logprob": -0.1, "bytes": null, "top_logprobs": []});
    let logprobs = (request["logprobs"] == true).then(|| json!({"content": [token]}));
    let choices = 0..request["n"].as_u64().unwrap_or(1);
    let choices: Vec<_> = choices
        .map(|index| {
            json!({
                "index": index, "message": message, "logprobs": logprobs, "finish_reason": finish
            })
        })
        .collect();
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": MODEL,
        "choices": choices, "usage": usage()
    })
}

fn streamed(message: &Message, request: &Value) -> Vec<Value> {
    let mut chunks = vec![chunk(&json!({"role": "assistant", "content": ""}), None)];
    let finish = match message {
        Message::Text(text) => {
            let pieces = text.split_inclusive(' ');
            chunks.extend(pieces.map(|piece| chunk(&json!({"content": piece}), None)));
            "stop"
        }
        Message::Calls(calls) => {
            for (index, said) in calls.iter().enumerate() {
                let mut call = call(said);
                let arguments = call["function"]["arguments"].take();
                call["index"] = index.into();
                call["function"]["arguments"] = "".into();
                chunks.push(chunk(&json!({"tool_calls": [call]}), None));
                // The arguments come in two parts.
                let (one, two) = arguments.as_str().unwrap().split_at(5);
                for part in [one, two] {
                    let part = json!({"index": index, "function": {"arguments": part}});
                    chunks.push(chunk(&json!({"tool_calls": [part]}), None));
                }
            }
            "tool_calls"
        }
    };
    chunks.push(chunk(&json!({}), Some(finish)));
    if request["stream_options"]["include_usage"] == true {
        let mut last = chunk(&json!({}), None);
        last["choices"] = json!([]);
        last["usage"] = usage();
        chunks.push(last);
    }
    chunks
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
    })
}

fn usage() -> Value {
    json!({"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16})
}
