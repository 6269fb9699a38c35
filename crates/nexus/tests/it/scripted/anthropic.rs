//! Its answers in Anthropic's protocol.

use serde_json::{Value, json};

use super::{Act, Message, Reply};

/// The request in OpenAI's form, as far as the answer depends on it.
pub(super) fn understood(request: &Value) -> Value {
    let messages = request["messages"].as_array().unwrap();
    let messages: Vec<_> = messages.iter().flat_map(messages_of_turn).collect();
    json!({"model": request["model"], "messages": messages, "tools": request["tools"]})
}

fn messages_of_turn(turn: &Value) -> Vec<Value> {
    let Some(parts) = turn["content"].as_array() else {
        return vec![turn.clone()];
    };
    let results = parts.iter().filter(|it| it["type"] == "tool_result");
    let results: Vec<_> = results
        .map(|it| json!({"role": "tool", "content": text(&it["content"])}))
        .collect();
    if !results.is_empty() {
        return results;
    }
    let content = match parts.as_slice() {
        [one] => text(&json!([one])),
        parts => parts.iter().map(part).collect(),
    };
    vec![json!({"role": turn["role"], "content": content})]
}

fn text(content: &Value) -> Value {
    content.pointer("/0/text").unwrap_or(content).clone()
}

fn part(part: &Value) -> Value {
    let source = &part["source"];
    match source["data"].as_str() {
        Some(data) => {
            let url = format!(
                "data:{};base64,{data}",
                source["media_type"].as_str().unwrap()
            );
            json!({"type": "image_url", "image_url": {"url": url}})
        }
        None => part.clone(),
    }
}

pub(super) fn reply(act: &Act, request: &Value) -> Reply {
    match act {
        Act::Refuse(status, message, _) => Reply::Json(*status, error(message)),
        Act::BeBusy => Reply::Busy(error("Slow down.")),
        Act::BreakOff => Reply::Broken(one_word()),
        Act::GoOn => Reply::Endless(one_word()),
        Act::Say(message) if request["stream"] == true => Reply::Stream(streamed(message)),
        Act::Say(message) => {
            let mut answer = opening();
            answer["content"] = blocks(message).into();
            answer["stop_reason"] = stop_reason(message).into();
            answer["usage"]["output_tokens"] = 4.into();
            Reply::Json(200, answer)
        }
    }
}

fn error(message: &str) -> Value {
    json!({"type": "error", "error": {"type": "api_error", "message": message}})
}

fn opening() -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": super::MODEL,
        "content": [], "stop_reason": null, "usage": {"input_tokens": 12, "output_tokens": 1}
    })
}

fn blocks(message: &Message) -> Vec<Value> {
    match message {
        Message::Text(text) => vec![json!({"type": "text", "text": text})],
        Message::Calls(calls) => {
            let call = |(id, arguments): &(&str, Value)| json!({"type": "tool_use", "id": id, "name": "get_weather", "input": arguments});
            calls.iter().map(call).collect()
        }
    }
}

fn stop_reason(message: &Message) -> &'static str {
    match message {
        Message::Text(_) => "end_turn",
        Message::Calls(_) => "tool_use",
    }
}

fn one_word() -> String {
    begin() + &block(0, json!({"type": "text", "text": "Hello "}), false)
}

fn begin() -> String {
    event("message_start", &json!({"message": opening()}))
}

fn streamed(message: &Message) -> String {
    let mut events = begin();
    for (index, said) in blocks(message).into_iter().enumerate() {
        events += &block(index, said, true);
    }
    let delta = json!({"stop_reason": stop_reason(message), "stop_sequence": null});
    events += &event(
        "message_delta",
        &json!({"delta": delta, "usage": {"output_tokens": 4}}),
    );
    events + &event("message_stop", &json!({}))
}

/// A block as it comes: empty, then word by word or in two parts, then its end.
fn block(index: usize, mut said: Value, ends: bool) -> String {
    let deltas: Vec<_> = if said["type"] == "text" {
        let text = std::mem::replace(&mut said["text"], json!(""));
        let words = text.as_str().unwrap().split_inclusive(' ');
        words
            .map(|word| json!({"type": "text_delta", "text": word}))
            .collect()
    } else {
        let input = std::mem::replace(&mut said["input"], json!({})).to_string();
        let (one, two) = input.split_at(5);
        let parts = [one, two].into_iter();
        parts
            .map(|it| json!({"type": "input_json_delta", "partial_json": it}))
            .collect()
    };
    let mut events = event(
        "content_block_start",
        &json!({"index": index, "content_block": said}),
    );
    for delta in deltas {
        events += &event(
            "content_block_delta",
            &json!({"index": index, "delta": delta}),
        );
    }
    if ends {
        events += &event("content_block_stop", &json!({"index": index}));
    }
    events
}

fn event(name: &str, more: &Value) -> String {
    let mut data = json!({"type": name});
    data.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    format!("event: {name}\ndata: {data}\n\n")
}
