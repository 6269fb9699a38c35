//! A [`ChatRequest`] as the JSON body of `POST /chat/completions`. Only what is set is sent:
//! Gemini refuses fields that it does not know, and others refuse values that they cannot honour.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::vendor::Vendor;
use crate::{ChatMessage, ChatRequest, ToolCall, ToolSpec};

/// Writes the body. `model_id` is what the provider calls the model.
pub(crate) fn body(request: &ChatRequest, model_id: &str, vendor: &Vendor) -> Vec<u8> {
    let body = Body {
        request,
        model_id,
        vendor,
    };
    // Serializing fails only for maps whose keys are not text and for writers that fail.
    serde_json::to_vec(&body).unwrap_or_default()
}

struct Body<'a> {
    request: &'a ChatRequest,
    model_id: &'a str,
    vendor: &'a Vendor,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            request,
            model_id,
            vendor,
        } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", model_id)?;
        map.serialize_entry(
            "messages",
            &Messages {
                messages: &request.messages,
                vendor,
            },
        )?;
        if let Some(temperature) = request.temperature {
            map.serialize_entry("temperature", &temperature)?;
        }
        if let Some(max_tokens) = request.max_tokens {
            map.serialize_entry(vendor.max_tokens, &max_tokens)?;
        }
        if !request.tools.is_empty() {
            map.serialize_entry("tools", &Tools(&request.tools))?;
        }
        map.serialize_entry("stream", &request.model.streams)?;
        if request.model.streams {
            map.serialize_entry(
                "stream_options",
                &StreamOptions {
                    include_usage: true,
                },
            )?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

struct Messages<'a> {
    messages: &'a [ChatMessage],
    vendor: &'a Vendor,
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.messages.len()))?;
        for message in self.messages {
            sequence.serialize_element(&Message {
                message,
                vendor: self.vendor,
            })?;
        }
        sequence.end()
    }
}

struct Message<'a> {
    message: &'a ChatMessage,
    vendor: &'a Vendor,
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.message {
            ChatMessage::System(text) => {
                map.serialize_entry("role", "system")?;
                map.serialize_entry("content", text)?;
            }
            ChatMessage::User(text) => {
                map.serialize_entry("role", "user")?;
                map.serialize_entry("content", text)?;
            }
            ChatMessage::Assistant {
                text,
                reasoning,
                tool_calls,
            } => {
                map.serialize_entry("role", "assistant")?;
                if tool_calls.is_empty() {
                    map.serialize_entry("content", text)?;
                } else {
                    map.serialize_entry("content", &(!text.is_empty()).then_some(text))?;
                    if let Some(field) = self.vendor.reasoning
                        && !reasoning.is_empty()
                    {
                        map.serialize_entry(field, reasoning)?;
                    }
                    map.serialize_entry("tool_calls", &Calls(tool_calls))?;
                }
            }
            ChatMessage::ToolResult {
                call_id,
                name,
                content,
            } => {
                map.serialize_entry("role", "tool")?;
                map.serialize_entry("tool_call_id", call_id)?;
                // Gemini refuses a result without the name of its tool.
                map.serialize_entry("name", name)?;
                map.serialize_entry("content", content)?;
            }
        }
        map.end()
    }
}

struct Calls<'a>(&'a [ToolCall]);

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Call))
    }
}

struct Call<'a>(&'a ToolCall);

impl Serialize for Call<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let call = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &call.id)?;
        map.serialize_entry("type", "function")?;
        map.serialize_entry("function", &CalledFunction::of(call))?;
        for (key, value) in &call.extra {
            if !matches!(key.as_str(), "id" | "type" | "function" | "index") {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> CalledFunction<'a> {
    /// Several servers parse the arguments of earlier calls and fail on invalid JSON. The result
    /// that follows tells the model what was wrong, so the text itself is not needed.
    fn of(call: &'a ToolCall) -> Self {
        let is_json = serde_json::from_str::<&RawValue>(&call.arguments).is_ok();
        Self {
            name: &call.name,
            arguments: if is_json { &call.arguments } else { "{}" },
        }
    }
}

struct Tools<'a>(&'a [ToolSpec]);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|tool| Tool {
            kind: "function",
            function: Function::of(tool),
        }))
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

impl<'a> Function<'a> {
    fn of(tool: &'a ToolSpec) -> Self {
        Self {
            name: &tool.name,
            description: &tool.description,
            parameters: &tool.parameters,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nexus_core::Model;
    use nexus_core::catalog::{DefaultParams, Endpoint, Provider};
    use serde_json::json;
    use url::Url;

    use super::*;

    /// The body of a second round with a limit, as it goes to `host`.
    fn second_round(host: &str, arguments: &str) -> Value {
        let provider = Arc::new(Provider {
            name: "acme".into(),
            endpoint: Endpoint::Builtin,
        });
        let model = Model {
            name: "m".into(),
            id: "m".into(),
            aliases: Vec::new(),
            provider,
            default_params: DefaultParams::default(),
            streams: false,
            price: None,
        };
        let called = |tool_calls| ChatMessage::Assistant {
            text: "Let me look.".to_owned(),
            reasoning: "Which city?".to_owned(),
            tool_calls,
        };
        let extra = json!({"index": 9, "signature": "s"});
        let call = ToolCall {
            id: "a".to_owned(),
            name: "clock".to_owned(),
            arguments: arguments.to_owned(),
            extra: extra.as_object().cloned().unwrap_or_default(),
        };
        let request = ChatRequest {
            model: Arc::new(model),
            messages: vec![called(Vec::new()), called(vec![call])],
            temperature: None,
            max_tokens: Some(9),
            tools: Arc::new([]),
        };
        let base_url = Url::parse(&format!("https://{host}/v1")).expect("a URL");
        let body = body(&request, "m", Vendor::at(&base_url));
        serde_json::from_slice(&body).expect("JSON")
    }

    #[test]
    fn reasoning_goes_back_with_tool_calls_and_only_to_vendors_that_want_it() {
        let deepseek = second_round("api.deepseek.com", "{}");
        assert_eq!(deepseek["messages"][1]["reasoning_content"], "Which city?");
        assert_eq!(deepseek["messages"][0].get("reasoning_content"), None);
        let other = second_round("openrouter.ai", "{}");
        assert!(!other.to_string().contains("Which city?"), "{other}");
    }

    #[test]
    fn the_limit_has_the_name_that_the_vendor_knows() {
        assert_eq!(
            second_round("api.openai.com", "{}")["max_completion_tokens"],
            9
        );
        assert_eq!(second_round("ollama", "{}")["max_tokens"], 9);
        assert_eq!(
            second_round("ollama", "{}").get("max_completion_tokens"),
            None
        );
    }

    #[test]
    fn unknown_keys_of_a_call_go_back_and_known_ones_are_not_doubled() {
        let body = second_round("ollama", r#"{"city":"Oslo"}"#);
        let expected = json!({
            "id": "a",
            "type": "function",
            "function": {"name": "clock", "arguments": r#"{"city":"Oslo"}"#},
            "signature": "s",
        });
        assert_eq!(body["messages"][1]["tool_calls"], json!([expected]));
        assert_eq!(body["messages"][1]["content"], "Let me look.");
    }

    #[test]
    fn arguments_that_are_not_json_do_not_reach_a_server_that_would_fail_on_them() {
        for broken in ["", "{\"city\":", "city=Oslo"] {
            let body = second_round("ollama", broken);
            let function = &body["messages"][1]["tool_calls"][0]["function"];
            assert_eq!(function["arguments"], "{}", "{broken}");
        }
    }
}
