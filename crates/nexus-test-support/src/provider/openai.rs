//! Answers in OpenAI's Chat Completions.

use serde_json::{Value, json};

use super::answer::{Answer, Call, Events};

pub(super) fn error(message: &str, code: Option<&str>) -> Value {
    json!({"error": {
        "message": message, "type": "invalid_request_error", "param": null, "code": code
    }})
}

pub(super) fn whole(answer: &Answer, request: &Value) -> Value {
    let calls: Vec<_> = answer.calls.iter().map(call).collect();
    let mut message = json!({"role": "assistant", "content": answer.text()});
    if !answer.reasoning.is_empty() {
        message["reasoning_content"] = (&*answer.reasoning).into();
    }
    if !calls.is_empty() {
        message["content"] = Value::Null;
        message["tool_calls"] = calls.into();
    }
    let token = json!({"token": "Hello", "logprob": -0.1, "bytes": null, "top_logprobs": []});
    let logprobs = (request["logprobs"] == true).then(|| json!({"content": [token]}));
    let choices = (0..request["n"].as_u64().unwrap_or(1)).map(|index| {
        json!({
            "index": index, "message": message, "logprobs": logprobs,
            "finish_reason": answer.finish()
        })
    });
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000,
        "model": request["model"], "choices": choices.collect::<Vec<_>>(), "usage": usage(answer)
    })
}

pub(super) fn events(answer: &Answer, request: &Value) -> Events {
    let say = |delta: Value| event(&part(&request["model"], &delta, None));
    let mut begin = say(json!({"role": "assistant", "content": ""}));
    if !answer.reasoning.is_empty() {
        begin += &say(json!({"reasoning_content": answer.reasoning}));
    }
    let pieces = answer.pieces.iter();
    let pieces = pieces.map(|piece| say(json!({"content": piece}))).collect();
    let mut end = String::new();
    for (index, said) in answer.calls.iter().enumerate() {
        let mut call = call(said);
        call["index"] = index.into();
        call["function"]["arguments"] = "".into();
        end += &say(json!({"tool_calls": [call]}));
        for part in said.parts() {
            let part = json!({"index": index, "function": {"arguments": part}});
            end += &say(json!({"tool_calls": [part]}));
        }
    }
    let last = part(&request["model"], &json!({}), Some(answer.finish()));
    end += &event(&last);
    if answer.usage.is_some() && request["stream_options"]["include_usage"] == true {
        end += &counted(last, &usage(answer));
    }
    end += "data: [DONE]\n\n";
    Events { begin, pieces, end }
}

/// An event with a piece of text.
#[must_use]
pub fn piece(text: &str) -> String {
    event(&part(&"m".into(), &json!({"content": text}), None))
}

/// The end of a stream, with the usage that the provider counted.
#[must_use]
pub fn end(usage: Option<&Value>) -> String {
    let last = part(&"m".into(), &json!({}), Some("stop"));
    let counted = usage.map_or_else(String::new, |usage| counted(last.clone(), usage));
    event(&last) + &counted + "data: [DONE]\n\n"
}

/// An event with this data.
#[must_use]
pub fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn part(model: &Value, delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000,
        "model": model, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
    })
}

fn counted(mut last: Value, usage: &Value) -> String {
    last["choices"] = json!([]);
    last["usage"] = usage.clone();
    event(&last)
}

fn call(call: &Call) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments});
    json!({"id": call.id, "type": "function", "function": function})
}

fn usage(answer: &Answer) -> Value {
    answer.usage.map_or(Value::Null, |[prompt, completion]| {
        json!({
            "prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion
        })
    })
}
