//! Answers in Google's `generateContent`.

use serde_json::{Value, json};

use super::answer::{Answer, Events};
use super::openai::event;

pub(super) fn error(status: u16, message: &str) -> Value {
    json!({"error": {"code": status, "message": message, "status": "UNKNOWN"}})
}

pub(super) fn whole(answer: &Answer) -> Value {
    let mut parts = thoughts(answer);
    if !answer.pieces.is_empty() {
        parts.push(json!({"text": answer.text()}));
    }
    parts.extend(calls(answer));
    last(answer, &parts)
}

pub(super) fn events(answer: &Answer) -> Events {
    let say = |parts: &[Value]| event(&json!({"candidates": [candidate(parts)]}));
    let thoughts = thoughts(answer);
    let pieces = answer.pieces.iter();
    Events {
        begin: if thoughts.is_empty() {
            String::new()
        } else {
            say(&thoughts)
        },
        pieces: pieces.map(|text| say(&[json!({"text": text})])).collect(),
        end: event(&last(answer, &calls(answer))),
    }
}

fn thoughts(answer: &Answer) -> Vec<Value> {
    let thought = json!({"text": answer.reasoning, "thought": true});
    let is_any = !answer.reasoning.is_empty();
    is_any.then_some(thought).into_iter().collect()
}

fn calls(answer: &Answer) -> Vec<Value> {
    let calls = answer.calls.iter();
    calls
        .map(|call| json!({"functionCall": {"name": call.name, "args": call.input()}}))
        .collect()
}

fn candidate(parts: &[Value]) -> Value {
    json!({"index": 0, "content": {"role": "model", "parts": parts}})
}

fn last(answer: &Answer, parts: &[Value]) -> Value {
    let mut candidate = candidate(parts);
    candidate["finishReason"] = match answer.finish() {
        "stop" | "tool_calls" => "STOP",
        "length" => "MAX_TOKENS",
        "content_filter" => "SAFETY",
        other => other,
    }
    .into();
    let mut last = json!({"candidates": [candidate]});
    if let Some([prompt, completion]) = answer.usage {
        last["usageMetadata"] = json!({
            "promptTokenCount": prompt, "candidatesTokenCount": completion,
            "totalTokenCount": prompt + completion
        });
    }
    last
}
