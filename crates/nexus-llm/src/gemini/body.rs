//! A [`ChatRequest`] as the JSON body of `generateContent`. The API refuses fields that it does not
//! know.

use serde::Serialize;
use serde_json::Value;

use super::SIGNATURE;
use crate::call_ids::is_own;
use crate::turns::{Arguments, Conversation, Said, Side, Turn};
use crate::{ChatRequest, ClientForm, Image, ToolCall, ToolChoice, ToolSpec, protocol};

/// Stands for the signature of a call that another model made. Models from Gemini 3 on refuse a
/// call without one: <https://ai.google.dev/gemini-api/docs/thought-signatures#faqs>
const UNSIGNED: &str = "skip_thought_signature_validator";

/// Writes the body. `model_id` is what the provider calls the model.
pub(crate) fn body(request: &ChatRequest, model_id: &str) -> Vec<u8> {
    let conversation = Conversation::of(&request.messages);
    let form = request.client.as_deref();
    let unsigned = wants_signatures(model_id).then_some(UNSIGNED);
    let turns = conversation.turns.iter();
    let system = conversation.system.iter();
    let system: Vec<_> = system.map(|text| Part::Text { text }).collect();
    let declarations: Vec<_> = request.tools.iter().map(Declaration::of).collect();
    let config = GenerationConfig {
        temperature: request.temperature.map(|it| it.clamp(0.0, 2.0)),
        max_output_tokens: request.max_tokens,
        top_p: form.and_then(|form| form.top_p),
        stop_sequences: form.map_or(&[], |form| &form.stop),
    };
    let body = Body {
        system_instruction: (!system.is_empty()).then_some(Content {
            role: None,
            parts: system,
        }),
        contents: turns.map(|turn| Content::of(turn, unsigned)).collect(),
        tools: (!declarations.is_empty()).then_some([Tools {
            function_declarations: declarations,
        }]),
        tool_config: form.and_then(ToolConfig::of),
        generation_config: (config != GenerationConfig::default()).then_some(config),
    };
    protocol::json(&body)
}

fn wants_signatures(model_id: &str) -> bool {
    let generation = model_id.find("gemini-").map(|at| &model_id[at + 7..]);
    generation.is_some_and(|it| !it.starts_with(['1', '2']))
}

/// The first call of a turn has to be signed. The others, made at the same time, are not.
fn parts<'a>(said: &[Said<'a>], mut unsigned: Option<&'a str>) -> Vec<Part<'a>> {
    let part = |said: &Said<'a>| -> Option<Part<'a>> {
        Some(match *said {
            Said::Text(text) => Part::Text { text },
            Said::Image(Image::Address(url)) => Part::File {
                file_data: File {
                    file_uri: url.as_str(),
                },
            },
            Said::Image(Image::Inline { media_type, base64 }) => Part::Inline {
                inline_data: Inline {
                    mime_type: media_type,
                    data: base64,
                },
            },
            // They come back in the signature of the call.
            Said::ThoughtsBefore(_) => return None,
            Said::Call(call) => {
                let signature = call.extra.get(SIGNATURE).and_then(Value::as_str);
                Part::Call {
                    function_call: FunctionCall::of(call),
                    thought_signature: signature.or(unsigned.take()),
                }
            }
            Said::Result {
                call_id,
                name,
                content,
            } => Part::Response {
                function_response: FunctionResponse {
                    id: known(call_id),
                    name,
                    response: Output { output: content },
                },
            },
        })
    };
    said.iter().filter_map(part).collect()
}

/// An id that the provider gave.
fn known(id: &str) -> Option<&str> {
    (!is_own(id)).then_some(id)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation_config: Option<GenerationConfig<'a>>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
}

impl<'a> Content<'a> {
    fn of(turn: &Turn<'a>, unsigned: Option<&'a str>) -> Self {
        Self {
            role: Some(match turn.side {
                Side::Person => "user",
                Side::Model => "model",
            }),
            parts: parts(&turn.said, unsigned),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Part<'a> {
    Text {
        text: &'a str,
    },
    Inline {
        inline_data: Inline<'a>,
    },
    File {
        file_data: File<'a>,
    },
    Call {
        function_call: FunctionCall<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        thought_signature: Option<&'a str>,
    },
    Response {
        function_response: FunctionResponse<'a>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inline<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    file_uri: &'a str,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    args: Arguments<'a>,
}

impl<'a> FunctionCall<'a> {
    fn of(call: &'a ToolCall) -> Self {
        Self {
            id: known(&call.id),
            name: &call.name,
            args: Arguments::of(call),
        }
    }
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    response: Output<'a>,
}

/// A result is an object. `output` is the key for one that is only text:
/// <https://ai.google.dev/api/caching#FunctionResponse>
#[derive(Serialize)]
struct Output<'a> {
    output: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

/// `parameters` would be a schema of the vendor's own, which refuses many keys of JSON Schema:
/// <https://ai.google.dev/api/caching#FunctionDeclaration>
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    description: &'a str,
    parameters_json_schema: &'a Value,
}

impl<'a> Declaration<'a> {
    fn of(tool: &'a ToolSpec) -> Self {
        Self {
            name: &tool.name,
            description: &tool.description,
            parameters_json_schema: &tool.parameters,
        }
    }
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
}

/// <https://ai.google.dev/api/caching#ToolConfig>
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: CallingConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallingConfig<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

impl<'a> ToolConfig<'a> {
    /// `None` leaves it to the model. There is no word for one call at a time.
    fn of(form: &'a ClientForm) -> Option<Self> {
        if form.tools.is_empty() {
            return None;
        }
        let (mode, only) = match form.tool_choice.as_ref()? {
            ToolChoice::Auto => ("AUTO", None),
            ToolChoice::Never => ("NONE", None),
            ToolChoice::Required => ("ANY", None),
            ToolChoice::Named(name) => ("ANY", Some([name.as_str()])),
        };
        Some(Self {
            function_calling_config: CallingConfig {
                mode,
                allowed_function_names: only,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_another_model_made_is_sent_with_what_stands_for_its_signature() {
        let call = |name: &str, signature: Option<&str>| ToolCall {
            id: "nexus_call_1".to_owned(),
            name: name.to_owned(),
            arguments: "{}".to_owned(),
            extra: signature
                .map(|it| (SIGNATURE.to_owned(), Value::from(it)))
                .into_iter()
                .collect(),
        };
        let signatures = |first: Option<&str>, unsigned| {
            let (first, second) = (call("a", first), call("b", None));
            let said = [&first, &second].map(Said::Call);
            let parts = serde_json::to_value(parts(&said, unsigned)).expect("JSON");
            [0, 1].map(|number| parts[number].get("thoughtSignature").cloned())
        };
        assert_eq!(signatures(None, None), [None, None]);
        assert_eq!(
            signatures(None, Some(UNSIGNED)),
            [Some(UNSIGNED.into()), None]
        );
        assert_eq!(
            signatures(Some("c2ln"), Some(UNSIGNED)),
            [Some("c2ln".into()), None]
        );
    }

    #[test]
    fn signatures_are_wanted_from_gemini_3_on() {
        for id in [
            "gemini-3.8-flash",
            "models/gemini-4-argon",
            "gemini-flash-latest",
        ] {
            assert!(wants_signatures(id), "{id}");
        }
        for id in ["gemini-2.5-flash", "gemini-1.5-pro", "gemma-3-27b-it"] {
            assert!(!wants_signatures(id), "{id}");
        }
    }
}
