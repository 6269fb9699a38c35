//! A [`ChatRequest`] as the JSON body of `POST /v1/messages`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::THINKING;
use crate::turns::{Arguments, Conversation, Said, Side, Turn};
use crate::{ChatRequest, ClientForm, Image, ToolChoice, ToolSpec, protocol};

/// The API wants a limit in every request. Where the profile has none, it is this one, which no
/// model of the vendor refuses: the oldest ones answer with at most 4096 tokens.
const DEFAULT_MAX_TOKENS: u32 = 4096;

/// The beginnings of the ids of models that take a temperature. Those that came later answer 400
/// to every value but 1: <https://platform.claude.com/docs/en/about-claude/models/migration-guide>,
/// and <https://github.com/windmill-labs/windmill/pull/10708> for what the API said.
const WITH_TEMPERATURE: &[&str] = &[
    "claude-2",
    "claude-3",
    "claude-instant",
    "claude-haiku-4",
    "claude-sonnet-4",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",
    "claude-opus-4-5",
    "claude-opus-4-6",
];

/// Writes the body. `model_id` is what the provider calls the model.
pub(crate) fn body(request: &ChatRequest, model_id: &str) -> Vec<u8> {
    let conversation = Conversation::of(&request.messages);
    let form = request.client.as_deref();
    let body = Body {
        model: model_id,
        max_tokens: request.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        system: match conversation.system.as_slice() {
            [] => None,
            [only] => Some(Cow::Borrowed(*only)),
            several => Some(Cow::Owned(several.join("\n\n"))),
        },
        messages: conversation.turns.iter().map(Message::of).collect(),
        temperature: request
            .temperature
            .filter(|_| takes_temperature(model_id))
            .map(|temperature| temperature.clamp(0.0, 1.0)),
        tools: request.tools.iter().map(Tool::of).collect(),
        top_p: form.and_then(|form| form.top_p),
        stop_sequences: form.map_or(&[], |form| &form.stop),
        tool_choice: form.and_then(Choice::of),
        stream: request.streams(),
    };
    protocol::json(&body)
}

/// A model of somebody else's is taken for one that does.
fn takes_temperature(model_id: &str) -> bool {
    match model_id.find("claude-") {
        Some(at) => WITH_TEMPERATURE
            .iter()
            .any(|beginning| model_id[at..].starts_with(beginning)),
        None => true,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<Cow<'a, str>>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    stream: bool,
}

/// <https://platform.claude.com/docs/en/api/messages>, `tool_choice`.
#[derive(Serialize)]
struct Choice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

impl<'a> Choice<'a> {
    /// `None` leaves it to the model. Without tools the API takes no choice.
    fn of(form: &'a ClientForm) -> Option<Self> {
        let (kind, name) = match &form.tool_choice {
            _ if form.tools.is_empty() => return None,
            None if !form.one_call => return None,
            None | Some(ToolChoice::Auto) => ("auto", None),
            Some(ToolChoice::Never) => ("none", None),
            Some(ToolChoice::Required) => ("any", None),
            Some(ToolChoice::Named(name)) => ("tool", Some(name.as_str())),
        };
        Some(Self {
            r#type: kind,
            name,
            disable_parallel_tool_use: form.one_call && kind != "none",
        })
    }
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

impl<'a> Message<'a> {
    fn of(turn: &Turn<'a>) -> Self {
        Self {
            role: match turn.side {
                Side::Person => "user",
                Side::Model => "assistant",
            },
            content: turn.said.iter().flat_map(Block::of).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Arguments<'a>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: &'a str,
    },
    /// A block as the provider sent it.
    #[serde(untagged)]
    AsItCame(&'a Value),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Url { url: &'a str },
    Base64 { media_type: &'a str, data: &'a str },
}

impl<'a> Block<'a> {
    fn of(said: &Said<'a>) -> Vec<Self> {
        vec![match *said {
            Said::Text(text) => Self::Text { text },
            Said::Image(image) => Self::Image {
                source: match image {
                    Image::Address(url) => Source::Url { url: url.as_str() },
                    Image::Inline { media_type, base64 } => Source::Base64 {
                        media_type,
                        data: base64,
                    },
                },
            },
            Said::ThoughtsBefore(call) => {
                let blocks = call.extra.get(THINKING).and_then(Value::as_array);
                return blocks.into_iter().flatten().map(Self::AsItCame).collect();
            }
            Said::Call(call) => Self::ToolUse {
                id: acceptable(&call.id),
                name: &call.name,
                input: Arguments::of(call),
            },
            Said::Result {
                call_id, content, ..
            } => Self::ToolResult {
                tool_use_id: acceptable(call_id),
                content,
            },
        }]
    }
}

/// An id of another provider's may hold characters that this API refuses.
fn acceptable(id: &str) -> Cow<'_, str> {
    let is_refused = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if id.contains(is_refused) {
        Cow::Owned(id.replace(is_refused, "_"))
    } else {
        Cow::Borrowed(id)
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a Value,
}

impl<'a> Tool<'a> {
    fn of(tool: &'a ToolSpec) -> Self {
        Self {
            name: &tool.name,
            description: &tool.description,
            input_schema: &tool.parameters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_models_that_take_a_temperature_are_sent_one() {
        for id in [
            "claude-3-opus-20240229",
            "claude-sonnet-4-20250514",
            "claude-opus-4-20250514",
            "claude-opus-4-6",
            "anthropic/claude-haiku-4-5",
            "MiniMax-M3",
        ] {
            assert!(takes_temperature(id), "{id}");
        }
        for id in [
            "claude-opus-4-7",
            "claude-opus-4-8",
            "claude-sonnet-5",
            "claude-sonnet-5-5",
            "claude-haiku-5-5",
            "claude-something-new",
        ] {
            assert!(!takes_temperature(id), "{id}");
        }
    }

    #[test]
    fn ids_of_other_providers_are_made_acceptable() {
        assert_eq!(acceptable("toolu_01A-b"), "toolu_01A-b");
        assert_eq!(acceptable("functions.clock:0"), "functions_clock_0");
    }
}
