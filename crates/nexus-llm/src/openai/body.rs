//! A [`ChatRequest`] as the JSON body of `POST /chat/completions`. Only what is set is sent:
//! Gemini refuses fields that it does not know, and others refuse values that they cannot honour.

use std::borrow::Cow;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::vendor::Vendor;
use crate::{
    ChatMessage, ChatRequest, ClientForm, Image, ToolCall, ToolSpec, UserPart, anthropic, gemini,
    protocol,
};

/// Writes the body. `model_id` is what the provider calls the model.
pub(crate) fn body(request: &ChatRequest, model_id: &str, vendor: &Vendor) -> Vec<u8> {
    let body = Body {
        request,
        model_id,
        vendor,
    };
    protocol::json(&body)
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
        if let Some(temperature) = request.temperature
            && vendor.takes_temperature(model_id)
        {
            map.serialize_entry("temperature", &temperature)?;
        }
        if let Some(max_tokens) = request.max_tokens {
            map.serialize_entry(vendor.max_tokens, &max_tokens)?;
        }
        let form = request.client.as_deref();
        if let Some(form) = form {
            for (name, value) in &form.fields {
                map.serialize_entry(name, value)?;
            }
        }
        let has_tools = form.is_some_and(ClientForm::has_tools);
        if !request.tools.is_empty() && !has_tools {
            map.serialize_entry("tools", &Tools(&request.tools))?;
        }
        let is_effort_chosen =
            form.is_some_and(|form| form.fields.contains_key("reasoning_effort"));
        if (has_tools || !request.tools.is_empty())
            && vendor.reasons_or_calls(model_id)
            && !is_effort_chosen
        {
            map.serialize_entry("reasoning_effort", "none")?;
        }
        map.serialize_entry("stream", &request.streams())?;
        if request.streams() && vendor.asks_for_usage {
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
            ChatMessage::Client(message) => message.write_fields(&mut map)?,
            ChatMessage::System(text) => {
                map.serialize_entry("role", "system")?;
                map.serialize_entry("content", text)?;
            }
            ChatMessage::User(text) => {
                map.serialize_entry("role", "user")?;
                map.serialize_entry("content", text)?;
            }
            ChatMessage::UserParts(parts) => {
                map.serialize_entry("role", "user")?;
                map.serialize_entry("content", &Parts(parts))?;
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
                if self.vendor.names_results {
                    map.serialize_entry("name", name)?;
                }
                map.serialize_entry("content", content)?;
            }
        }
        map.end()
    }
}

struct Parts<'a>(&'a [UserPart]);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|part| match part {
            UserPart::Text(text) => Part::Text { text },
            UserPart::Image(image) => Part::ImageUrl {
                image_url: ImageUrl {
                    url: match image {
                        Image::Address(url) => Cow::Borrowed(url.as_str()),
                        Image::Inline { media_type, base64 } => {
                            Cow::Owned(format!("data:{media_type};base64,{base64}"))
                        }
                    },
                },
            },
        }))
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: Cow<'a, str>,
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
            let is_ours = matches!(key.as_str(), "id" | "type" | "function" | "index");
            if !is_ours && !matches!(key.as_str(), anthropic::THINKING | gemini::SIGNATURE) {
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
    use nexus_core::catalog::{Endpoint, Provider, Timeouts};
    use nexus_test_support::model::model;
    use serde_json::json;
    use url::Url;

    use super::*;

    fn request(messages: Vec<ChatMessage>, streams: bool) -> ChatRequest {
        let provider = Arc::new(Provider {
            name: "acme".into(),
            endpoint: Endpoint::Builtin,
            timeouts: Timeouts::default(),
        });
        let model = Model {
            streams,
            ..model(provider, "m")
        };
        ChatRequest {
            model: Arc::new(model),
            messages,
            temperature: Some(0.5),
            max_tokens: Some(9),
            tools: Arc::new([]),
            fallbacks: Vec::new(),
            client: None,
            is_for_client_only: false,
            requester: crate::Requester::default(),
        }
    }

    /// The body as it goes to `host`.
    fn body_for(host: &str, model_id: &str, request: &ChatRequest) -> Value {
        let base_url = Url::parse(&format!("https://{host}/v1")).expect("a URL");
        let body = body(request, model_id, Vendor::at(&base_url));
        serde_json::from_slice(&body).expect("JSON")
    }

    /// The body of a second round.
    fn second_round(host: &str, arguments: &str) -> Value {
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
        let result = ChatMessage::ToolResult {
            call_id: "a".to_owned(),
            name: "clock".to_owned(),
            content: "noon".to_owned(),
        };
        let messages = vec![called(Vec::new()), called(vec![call]), result];
        body_for(host, "m", &request(messages, false))
    }

    /// The body of a first round with a tool, which streams.
    fn with_a_tool(host: &str, model_id: &str) -> Value {
        let clock = ToolSpec {
            name: "clock".to_owned(),
            description: String::new(),
            parameters: json!({}),
        };
        let request = ChatRequest {
            tools: Arc::new([clock]),
            ..request(Vec::new(), true)
        };
        body_for(host, model_id, &request)
    }

    #[test]
    fn a_temperature_goes_to_the_models_that_take_one() {
        let sent = |host, model_id| with_a_tool(host, model_id).get("temperature").is_some();
        for model_id in ["gpt-4.1-mini", "gpt-4o", "ft:gpt-4o-mini:acme::1"] {
            assert!(sent("api.openai.com", model_id), "{model_id}");
        }
        for model_id in ["o3", "gpt-5", "gpt-5.6", "something-new"] {
            assert!(!sent("api.openai.com", model_id), "{model_id}");
            assert!(sent("openrouter.ai", model_id), "{model_id}");
        }
    }

    #[test]
    fn models_that_reason_or_call_tools_are_told_not_to_reason_when_there_are_tools() {
        let effort = |host, model_id| with_a_tool(host, model_id)["reasoning_effort"].clone();
        assert_eq!(effort("api.openai.com", "gpt-5.6"), "none");
        assert_eq!(effort("api.openai.com", "gpt-4.1"), Value::Null);
        assert_eq!(effort("ollama", "gpt-5.6"), Value::Null);
        let without = body_for("api.openai.com", "gpt-5.6", &request(Vec::new(), true));
        assert_eq!(without.get("reasoning_effort"), None);
    }

    #[test]
    fn nobody_is_sent_a_field_that_they_refuse() {
        let name = |host| second_round(host, "{}")["messages"][2]["name"].clone();
        assert_eq!(name("api.groq.com"), Value::Null);
        assert_eq!(name("api.mistral.ai"), "clock");
        let asks = |host| with_a_tool(host, "m").get("stream_options").is_some();
        assert!(asks("api.groq.com"));
        assert!(!asks("api.mistral.ai"));
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
