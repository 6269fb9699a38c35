//! What a program that speaks OpenAI's protocol sends beside its messages
//! (<https://platform.openai.com/docs/api-reference/chat/create>). A provider of the same protocol
//! gets it as it came; for the others it is read here.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::ToolSpec;

/// The fields of a request that every protocol has words for.
const CARRIED_BY_ALL: [&str; 5] = [
    "parallel_tool_calls",
    "stop",
    "tool_choice",
    "tools",
    "top_p",
];

/// What a program wants of a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientForm {
    /// How it wants the answer.
    pub delivery: Delivery,
    /// Whether it understands the frames of chat completions.
    pub hears_frames: bool,
    /// The fields as they came. None of them is one that Nexus writes itself.
    pub fields: Map<String, Value>,
    /// The share of likely words that is drawn from.
    pub top_p: Option<f64>,
    /// Texts at which the answer ends.
    pub stop: Vec<String>,
    /// Whether the model must or may call tools.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call only one tool in a turn.
    pub one_call: bool,
    /// The program's own tools, which it carries out itself.
    pub tools: Arc<[ToolSpec]>,
    /// How many answers it wants at the same time.
    pub answers: u32,
    /// The first thing in it, if any, for which other protocols have no word.
    pub openai_only: Option<String>,
}

/// How a program wants an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// In one piece.
    #[default]
    Whole,
    /// In pieces.
    Stream {
        /// And at the end, what was used.
        with_usage: bool,
    },
}

impl Delivery {
    /// Whether it comes in pieces.
    #[must_use]
    pub const fn streams(self) -> bool {
        matches!(self, Self::Stream { .. })
    }
}

/// Whether the model must or may call tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// It may.
    Auto,
    /// It must not.
    Never,
    /// It must call at least one.
    Required,
    /// It must call this one.
    Named(String),
}

/// A field does not have the shape that the protocol gives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {expected}")]
pub struct FormError {
    /// Which, such as `tools[0].function.name`.
    pub field: String,
    /// What it must be.
    pub expected: &'static str,
}

impl ClientForm {
    /// Reads `fields`. What says nothing new (`null`, `n: 1`) is as if it was not there.
    ///
    /// # Errors
    /// For a field that Nexus has to understand and cannot.
    pub fn read(mut fields: Map<String, Value>) -> Result<Self, FormError> {
        fields.retain(|name, value| !says_nothing(name, value));
        let mut openai_only = fields
            .keys()
            .find(|name| !CARRIED_BY_ALL.contains(&name.as_str()))
            .cloned();
        let tools = tools(&fields, &mut openai_only)?;
        let (tool_choice, is_known) = tool_choice(fields.get("tool_choice"))?;
        if !is_known {
            openai_only.get_or_insert_with(|| "tool_choice".to_owned());
        }
        Ok(Self {
            delivery: Delivery::Whole,
            hears_frames: false,
            top_p: number(&fields, "top_p")?,
            stop: stop(fields.get("stop"))?,
            tool_choice,
            one_call: flag(&fields, "parallel_tool_calls")? == Some(false),
            tools,
            answers: answers(fields.get("n"))?,
            openai_only,
            fields,
        })
    }

    /// Whether the program carries out the calls of the model.
    #[must_use]
    pub fn has_tools(&self) -> bool {
        ["tools", "functions"]
            .iter()
            .any(|name| self.fields.contains_key(*name))
    }
}

fn says_nothing(name: &str, value: &Value) -> bool {
    let is_usual = match name {
        "n" => *value == 1,
        "logprobs" => *value == false,
        "parallel_tool_calls" => *value == true,
        "tools" | "functions" | "stop" => value.as_array().is_some_and(Vec::is_empty),
        _ => false,
    };
    is_usual || value.is_null()
}

fn wrong(field: impl Into<String>, expected: &'static str) -> FormError {
    FormError {
        field: field.into(),
        expected,
    }
}

fn number(fields: &Map<String, Value>, name: &str) -> Result<Option<f64>, FormError> {
    let read = |value: &Value| value.as_f64().ok_or_else(|| wrong(name, "a number"));
    fields.get(name).map(read).transpose()
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, FormError> {
    let read = |value: &Value| value.as_bool().ok_or_else(|| wrong(name, "true or false"));
    fields.get(name).map(read).transpose()
}

/// The most answers at the same time: each is paid for.
const MAX_ANSWERS: u64 = 8;

fn answers(value: Option<&Value>) -> Result<u32, FormError> {
    let Some(value) = value else { return Ok(1) };
    let count = value
        .as_u64()
        .filter(|count| (1..=MAX_ANSWERS).contains(count));
    count
        .and_then(|count| u32::try_from(count).ok())
        .ok_or_else(|| wrong("n", "a whole number from 1 to 8"))
}

fn stop(value: Option<&Value>) -> Result<Vec<String>, FormError> {
    let wrong = || wrong("stop", "a text, or a list of texts");
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(texts)) => {
            let text = |text: &Value| text.as_str().map(str::to_owned).ok_or_else(wrong);
            texts.iter().map(text).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// Functions; tools of other kinds only providers of the same protocol know.
fn tools(
    fields: &Map<String, Value>,
    openai_only: &mut Option<String>,
) -> Result<Arc<[ToolSpec]>, FormError> {
    let Some(tools) = fields.get("tools") else {
        return Ok(Arc::default());
    };
    let tools = tools.as_array().ok_or_else(|| wrong("tools", "a list"))?;
    let mut specs = Vec::with_capacity(tools.len());
    for (place, tool) in tools.iter().enumerate() {
        if tool.get("type").and_then(Value::as_str) != Some("function") {
            openai_only.get_or_insert_with(|| format!("tools[{place}].type"));
            continue;
        }
        let function = tool.get("function").and_then(Value::as_object);
        let function = function
            .ok_or_else(|| wrong(format!("tools[{place}].function"), "an object with a name"))?;
        let name = function.get("name").and_then(Value::as_str);
        let name = name.filter(|name| is_tool_name(name)).ok_or_else(|| {
            let field = format!("tools[{place}].function.name");
            wrong(field, "1 to 64 letters, digits, _ and -")
        })?;
        let text = |key: &str| function.get(key).and_then(Value::as_str);
        let nothing = || serde_json::json!({ "type": "object", "properties": {} });
        specs.push(ToolSpec {
            name: name.to_owned(),
            description: text("description").unwrap_or_default().to_owned(),
            parameters: function
                .get("parameters")
                .filter(|schema| schema.is_object())
                .cloned()
                .unwrap_or_else(nothing),
        });
    }
    Ok(specs.into())
}

fn is_tool_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_fit)
}

/// The choice, and whether it is one that all protocols know.
fn tool_choice(value: Option<&Value>) -> Result<(Option<ToolChoice>, bool), FormError> {
    let expected = "auto, none, required, or an object that names a function";
    let choice = match value {
        None => return Ok((None, true)),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::Never,
            "required" => ToolChoice::Required,
            _ => return Err(wrong("tool_choice", expected)),
        },
        Some(Value::Object(choice)) => {
            let name = choice.get("function").and_then(|it| it.get("name"));
            match name.and_then(Value::as_str) {
                Some(name) => ToolChoice::Named(name.to_owned()),
                None => return Ok((None, false)),
            }
        }
        Some(_) => return Err(wrong("tool_choice", expected)),
    };
    Ok((Some(choice), true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: Value) -> Result<ClientForm, FormError> {
        let Value::Object(fields) = fields else {
            unreachable!("an object was written")
        };
        ClientForm::read(fields)
    }

    #[test]
    fn what_says_nothing_is_as_if_it_was_not_there() {
        let form = read(json!({
            "n": 1, "logprobs": false, "tools": [], "stop": null, "parallel_tool_calls": true,
        }));
        assert_eq!(
            form,
            Ok(ClientForm {
                answers: 1,
                ..ClientForm::default()
            })
        );
    }

    #[test]
    fn what_other_protocols_cannot_say_is_named() {
        let named = |fields| read(fields).expect("a form").openai_only;
        assert_eq!(named(json!({ "stop": "x", "top_p": 0.5 })), None);
        assert_eq!(named(json!({ "seed": 1 })).as_deref(), Some("seed"));
        assert_eq!(
            named(json!({ "tools": [{ "type": "custom" }] })).as_deref(),
            Some("tools[0].type")
        );
        let allowed = json!({ "tool_choice": { "type": "allowed_tools" } });
        assert_eq!(named(allowed).as_deref(), Some("tool_choice"));
    }

    #[test]
    fn a_tool_is_read_for_the_protocols_that_say_it_otherwise() {
        let form = read(json!({
            "tools": [{ "type": "function", "function": { "name": "clock", "strict": true } }],
            "tool_choice": { "type": "function", "function": { "name": "clock" } },
            "parallel_tool_calls": false,
            "stop": ["a", "b"],
        }));
        let form = form.expect("a form");
        assert_eq!(&*form.tools[0].name, "clock");
        assert_eq!(form.tools[0].parameters["type"], "object");
        assert_eq!(
            form.tool_choice,
            Some(ToolChoice::Named("clock".to_owned()))
        );
        assert!(form.one_call && form.has_tools());
        assert_eq!(form.stop, ["a", "b"]);
        assert_eq!(form.openai_only, None);
    }

    #[test]
    fn a_field_of_the_wrong_shape_is_named() {
        for (fields, field) in [
            (json!({ "n": 9 }), "n"),
            (json!({ "n": "two" }), "n"),
            (json!({ "stop": [1] }), "stop"),
            (json!({ "top_p": "high" }), "top_p"),
            (json!({ "tools": {} }), "tools"),
            (
                json!({ "tools": [{ "type": "function", "function": { "name": "a b" } }] }),
                "tools[0].function.name",
            ),
            (json!({ "tool_choice": "perhaps" }), "tool_choice"),
        ] {
            let error = read(fields).expect_err("a wrong shape");
            assert_eq!(error.field, field);
        }
    }
}
