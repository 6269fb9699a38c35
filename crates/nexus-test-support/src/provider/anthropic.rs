//! Answers in Anthropic's Messages.

use serde_json::{Value, json};

use super::answer::{Answer, Call, Events};

pub(super) fn error(message: &str) -> Value {
    json!({"type": "error", "error": {"type": "api_error", "message": message}})
}

pub(super) fn whole(answer: &Answer, request: &Value) -> Value {
    let mut whole = opening(answer, request);
    let mut content = Vec::new();
    if !answer.reasoning.is_empty() {
        content.push(json!({"type": "thinking", "thinking": answer.reasoning, "signature": "s"}));
    }
    if !answer.pieces.is_empty() {
        content.push(json!({"type": "text", "text": answer.text()}));
    }
    content.extend(answer.calls.iter().map(|call| block(call, &call.input())));
    whole["content"] = content.into();
    whole["stop_reason"] = stop_reason(answer).into();
    whole["usage"]["output_tokens"] = tokens(answer)[1].into();
    whole
}

pub(super) fn events(answer: &Answer, request: &Value) -> Events {
    let mut index = 0;
    let mut begin = event(
        "message_start",
        &json!({"message": opening(answer, request)}),
    );
    if !answer.reasoning.is_empty() {
        let empty = json!({"type": "thinking", "thinking": "", "signature": ""});
        let delta = json!({"type": "thinking_delta", "thinking": answer.reasoning});
        begin += &(start(index, &empty) + &say(index, &delta));
        begin +=
            &(say(index, &json!({"type": "signature_delta", "signature": "s"})) + &stop(index));
        index += 1;
    }
    let mut end = String::new();
    let delta = |piece: &String| say(index, &json!({"type": "text_delta", "text": piece}));
    let pieces: Vec<_> = answer.pieces.iter().map(delta).collect();
    if !pieces.is_empty() {
        begin += &start(index, &json!({"type": "text", "text": ""}));
        end += &stop(index);
        index += 1;
    }
    for (index, call) in (index..).zip(&answer.calls) {
        end += &start(index, &block(call, &json!({})));
        for part in call.parts() {
            end += &say(
                index,
                &json!({"type": "input_json_delta", "partial_json": part}),
            );
        }
        end += &stop(index);
    }
    let delta = json!({"stop_reason": stop_reason(answer), "stop_sequence": null});
    let usage = json!({"output_tokens": tokens(answer)[1]});
    end += &event("message_delta", &json!({"delta": delta, "usage": usage}));
    end += &event("message_stop", &json!({}));
    Events { begin, pieces, end }
}

fn opening(answer: &Answer, request: &Value) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": request["model"],
        "content": [], "stop_reason": null,
        "usage": {"input_tokens": tokens(answer)[0], "output_tokens": 1}
    })
}

fn tokens(answer: &Answer) -> [u64; 2] {
    answer.usage.unwrap_or_default()
}

fn block(call: &Call, input: &Value) -> Value {
    json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
}

fn stop_reason(answer: &Answer) -> &str {
    match answer.finish() {
        "stop" => "end_turn",
        "tool_calls" => "tool_use",
        "length" => "max_tokens",
        "content_filter" => "refusal",
        other => other,
    }
}

fn start(index: usize, block: &Value) -> String {
    let more = json!({"index": index, "content_block": block});
    event("content_block_start", &more)
}

fn say(index: usize, delta: &Value) -> String {
    event(
        "content_block_delta",
        &json!({"index": index, "delta": delta}),
    )
}

fn stop(index: usize) -> String {
    event("content_block_stop", &json!({"index": index}))
}

fn event(name: &str, more: &Value) -> String {
    let mut data = json!({"type": name});
    let more = more.as_object().unwrap().clone();
    data.as_object_mut().unwrap().extend(more);
    format!("event: {name}\ndata: {data}\n\n")
}
