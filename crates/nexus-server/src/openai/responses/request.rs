//! A request of the newer interface, in the words of chat completions.

use serde_json::{Map, Value, json};

use crate::ApiError;
use crate::openai::request::{self, Asked, wrong_type};

/// Settings under other names: here, and there.
const RENAMED: [(&str, &str); 2] = [
    ("max_output_tokens", "max_completion_tokens"),
    ("stream", "stream"),
];

pub(super) fn read(mut fields: Map<String, Value>) -> Result<Asked, ApiError> {
    fields.retain(|name, value| !value.is_null() && !holds_anyway(name, value));
    let mut messages = Vec::new();
    if let Some(text) = fields.shift_remove("instructions") {
        messages.push(json!({ "role": "system", "content": text }));
    }
    match fields.shift_remove("input") {
        Some(Value::String(text)) => messages.push(json!({ "role": "user", "content": text })),
        Some(Value::Array(items)) => {
            for (place, item) in items.into_iter().enumerate() {
                add_item(&mut messages, place, item)?;
            }
        }
        _ => return Err(wrong_type("input", "a text, or a list of items")),
    }
    for (from, to) in RENAMED {
        if let Some(value) = fields.shift_remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
    if let Some(format) = format(&mut fields)? {
        fields.insert("response_format".to_owned(), format);
    }
    if let Some(effort) = effort(&mut fields)? {
        fields.insert("reasoning_effort".to_owned(), effort);
    }
    tools(&mut fields);
    fields.insert("messages".to_owned(), messages.into());
    let mut asked = request::read(fields)?;
    asked.turn.hears_frames = false;
    Ok(asked)
}

/// What programs send although it changes nothing.
fn holds_anyway(name: &str, value: &Value) -> bool {
    match name {
        "truncation" => value == "disabled",
        "service_tier" => value == "auto",
        "include" => value.as_array().is_some_and(Vec::is_empty),
        _ => false,
    }
}

/// An item becomes a message, or a part of the one before: calls belong to what the model said.
fn add_item(messages: &mut Vec<Value>, place: usize, item: Value) -> Result<(), ApiError> {
    let field = |key: &str| format!("input[{place}]{key}");
    let Value::Object(mut item) = item else {
        return Err(wrong_type(field(""), "an object"));
    };
    match item
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("message")
    {
        "message" => {
            let content = item.shift_remove("content").unwrap_or_default();
            let content = content_parts(content, &field(".content"))?;
            let role = item.shift_remove("role").unwrap_or_default();
            messages.push(json!({ "role": role, "content": content }));
        }
        "function_call" => {
            let call = json!({
                "id": item.get("call_id"),
                "type": "function",
                "function": { "name": item.get("name"), "arguments": item.get("arguments") },
            });
            let last = messages
                .last_mut()
                .filter(|last| last["role"] == "assistant");
            match last.and_then(Value::as_object_mut) {
                Some(last) => {
                    let calls = last.entry("tool_calls").or_insert_with(|| json!([]));
                    if let Value::Array(calls) = calls {
                        calls.push(call);
                    }
                }
                None => messages
                    .push(json!({ "role": "assistant", "content": null, "tool_calls": [call] })),
            }
        }
        "function_call_output" => {
            let output = item.shift_remove("output").unwrap_or_default();
            let output = content_parts(output, &field(".output"))?;
            messages.push(json!({
                "role": "tool",
                "tool_call_id": item.get("call_id"),
                "content": output,
            }));
        }
        // What a model thought is not shown to it again.
        "reasoning" => {}
        _ => {
            let expected = "message, function_call, function_call_output or reasoning";
            return Err(wrong_type(field(".type"), expected));
        }
    }
    Ok(())
}

fn content_parts(content: Value, field: &str) -> Result<Value, ApiError> {
    let Value::Array(parts) = content else {
        return Ok(content);
    };
    let part = |part: Value| match part.get("type").and_then(Value::as_str) {
        Some("input_text" | "output_text" | "text") => {
            Ok(json!({ "type": "text", "text": part.get("text") }))
        }
        Some("refusal") => Ok(json!({ "type": "text", "text": part.get("refusal") })),
        Some("input_image") => {
            let mut image = Map::new();
            image.insert("url".to_owned(), part["image_url"].clone());
            if let Some(detail) = part.get("detail").filter(|detail| !detail.is_null()) {
                image.insert("detail".to_owned(), detail.clone());
            }
            Ok(json!({ "type": "image_url", "image_url": image }))
        }
        _ => Err(wrong_type(
            format!("{field}[].type"),
            "input_text, output_text or input_image",
        )),
    };
    parts.into_iter().map(part).collect()
}

/// `text.format`, as `response_format`.
fn format(fields: &mut Map<String, Value>) -> Result<Option<Value>, ApiError> {
    let text = match fields.shift_remove("text") {
        None => return Ok(None),
        Some(Value::Object(text)) => text,
        Some(_) => return Err(wrong_type("text", "an object")),
    };
    if let Some(verbosity) = text.get("verbosity").filter(|it| !it.is_null()) {
        fields.insert("verbosity".to_owned(), verbosity.clone());
    }
    let Some(Value::Object(mut format)) = text.get("format").cloned() else {
        return Ok(None);
    };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_schema") => {
            format.shift_remove("type");
            Ok(Some(
                json!({ "type": "json_schema", "json_schema": format }),
            ))
        }
        _ => Ok(Some(format.into())),
    }
}

/// `reasoning.effort`. How the reasoning is summed up is the provider's affair.
fn effort(fields: &mut Map<String, Value>) -> Result<Option<Value>, ApiError> {
    match fields.shift_remove("reasoning") {
        None => Ok(None),
        Some(Value::Object(mut reasoning)) => Ok(reasoning
            .shift_remove("effort")
            .filter(|effort| !effort.is_null())),
        Some(_) => Err(wrong_type("reasoning", "an object")),
    }
}

/// Functions are described one level deeper there.
fn tools(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(tools)) = fields.get_mut("tools") {
        for tool in tools {
            let is_function = tool.get("type").is_some_and(|kind| kind == "function");
            // Whether one of another kind may pass is for the template to say.
            let Some(function) = tool.as_object_mut().filter(|_| is_function) else {
                continue;
            };
            function.shift_remove("type");
            let function = std::mem::take(function);
            *tool = json!({ "type": "function", "function": function });
        }
    }
    if let Some(Value::Object(choice)) = fields.get_mut("tool_choice")
        && let Some(name) = choice.shift_remove("name")
    {
        choice.insert("function".to_owned(), json!({ "name": name }));
    }
}
