//! The messages of a request. Each is kept in the program's form, for providers of the same protocol,
//! and read, for the others. Keys that no provider needs are left out.

use nexus_core::text;
use nexus_run::Question;
use nexus_run::client::{ChatMessage, Image, ToolCall, UserPart};
use serde_json::{Map, Value};

use super::request::wrong_type;
use crate::ApiError;

/// What stands for an image in what is stored.
const IMAGE: &str = "[image]";

/// What stands between system texts.
const BETWEEN: &str = "\n\n";

/// The messages of a request, told apart.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// Without the system texts.
    pub(super) messages: Vec<ChatMessage>,
    /// The system texts, wherever they stood.
    pub(super) system_text: String,
    /// What the person asks, where the conversation ends with it.
    pub(super) question: Option<Question>,
}

pub(super) fn read(messages: Vec<Value>) -> Result<Conversation, ApiError> {
    let mut conversation = Conversation::default();
    for (place, message) in messages.into_iter().enumerate() {
        let Value::Object(form) = message else {
            return Err(wrong_type(format!("messages[{place}]"), "an object"));
        };
        conversation.add(Form { form, place })?;
    }
    let Some(last) = conversation.messages.last() else {
        let message = "messages holds nothing but system text: say something to the model";
        return Err(ApiError::unprocessable("empty_message", message).field("messages"));
    };
    conversation.question = question(last.plain())?;
    Ok(conversation)
}

impl Conversation {
    fn add(&mut self, message: Form) -> Result<(), ApiError> {
        let role = message.form.get("role").and_then(Value::as_str);
        let (keys, read): (&[&str], _) = match role {
            Some("system" | "developer") => {
                let text = message.text()?;
                if !self.system_text.is_empty() {
                    self.system_text.push_str(BETWEEN);
                }
                self.system_text.push_str(&text);
                return Ok(());
            }
            Some("user") => (&["role", "content", "name"], message.user()?),
            Some("assistant") => (&ASSISTANT_KEYS, message.assistant()?),
            Some("tool") => (
                &["role", "content", "tool_call_id", "name"],
                message.tool_result(&self.messages)?,
            ),
            _ => {
                let expected = "system, developer, user, assistant or tool";
                return Err(wrong_type(message.field("role"), expected));
            }
        };
        let mut form = message.form;
        form.retain(|key, value| {
            keys.contains(&key.as_str()) && (!value.is_null() || key == "content")
        });
        self.messages.push(ChatMessage::client(form, read));
        Ok(())
    }
}

/// Several vendors want their reasoning back with the calls that it led to.
const ASSISTANT_KEYS: [&str; 9] = [
    "role",
    "content",
    "name",
    "refusal",
    "tool_calls",
    "audio",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
];

/// A message, and its place in the list.
struct Form {
    form: Map<String, Value>,
    place: usize,
}

impl Form {
    fn field(&self, key: &str) -> String {
        format!("messages[{}].{key}", self.place)
    }

    /// A text, or a list of parts that are texts.
    fn text(&self) -> Result<String, ApiError> {
        match self.form.get("content") {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Array(parts)) => {
                let text = |part: &Value| {
                    let text = part.get("text").or_else(|| part.get("refusal"));
                    text.and_then(Value::as_str).map(str::to_owned)
                };
                let texts: Option<Vec<_>> = parts.iter().map(text).collect();
                texts
                    .map(|texts| texts.concat())
                    .ok_or_else(|| wrong_type(self.field("content"), "a text, or parts of text"))
            }
            _ => Err(wrong_type(
                self.field("content"),
                "a text, or parts of text",
            )),
        }
    }

    fn user(&self) -> Result<ChatMessage, ApiError> {
        let Some(Value::Array(parts)) = self.form.get("content") else {
            return self.text().map(ChatMessage::User);
        };
        let parts = parts.iter().enumerate();
        let parts: Result<_, _> = parts.map(|(at, part)| self.user_part(at, part)).collect();
        parts.map(ChatMessage::UserParts)
    }

    fn user_part(&self, at: usize, part: &Value) -> Result<UserPart, ApiError> {
        let field = |key: &str| self.field(&format!("content[{at}]{key}"));
        match part.get("type").and_then(Value::as_str) {
            Some("text") => {
                let text = part.get("text").and_then(Value::as_str);
                let text = text.ok_or_else(|| wrong_type(field(".text"), "a text"))?;
                Ok(UserPart::Text(text.to_owned()))
            }
            Some("image_url") => {
                let address = part.pointer("/image_url/url").and_then(Value::as_str);
                let image = address.and_then(Image::parse).ok_or_else(|| {
                    let expected = "a public address with https: or http: and without a user, or data:image/…;base64,…";
                    wrong_type(field(".image_url.url"), expected)
                })?;
                Ok(UserPart::Image(image))
            }
            _ => Err(wrong_type(field(".type"), "text or image_url")),
        }
    }

    fn assistant(&self) -> Result<ChatMessage, ApiError> {
        let text = match self.form.get("content") {
            None | Some(Value::Null) => String::new(),
            Some(_) => self.text()?,
        };
        let calls = match self.form.get("tool_calls") {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(calls)) => calls,
            Some(_) => return Err(wrong_type(self.field("tool_calls"), "a list")),
        };
        let calls = calls.iter().enumerate();
        let calls: Result<_, _> = calls.map(|(at, call)| self.call(at, call)).collect();
        let reasoning = ["reasoning_content", "reasoning"]
            .iter()
            .find_map(|key| self.form.get(*key)?.as_str());
        Ok(ChatMessage::Assistant {
            text,
            reasoning: reasoning.unwrap_or_default().to_owned(),
            tool_calls: calls?,
        })
    }

    fn call(&self, at: usize, call: &Value) -> Result<ToolCall, ApiError> {
        let text = |path: &str| {
            let field = || self.field(&format!("tool_calls[{at}]{}", path.replace('/', ".")));
            let text = call.pointer(path).and_then(Value::as_str);
            text.map(str::to_owned)
                .ok_or_else(|| wrong_type(field(), "a text"))
        };
        let mut extra = call.as_object().cloned().unwrap_or_default();
        extra.retain(|key, _| !matches!(key.as_str(), "id" | "type" | "function" | "index"));
        Ok(ToolCall {
            id: text("/id")?,
            name: text("/function/name")?,
            arguments: text("/function/arguments")?,
            extra,
        })
    }

    fn tool_result(&self, before: &[ChatMessage]) -> Result<ChatMessage, ApiError> {
        let id = self.form.get("tool_call_id").and_then(Value::as_str);
        let id = id.ok_or_else(|| wrong_type(self.field("tool_call_id"), "a text"))?;
        let calls = before
            .iter()
            .rev()
            .filter_map(|message| match message.plain() {
                ChatMessage::Assistant { tool_calls, .. } => Some(tool_calls),
                _ => None,
            });
        let call = calls.flatten().find(|call| call.id == id);
        let call = call.ok_or_else(|| {
            let expected = "the id of a call of an earlier message";
            wrong_type(self.field("tool_call_id"), expected)
        })?;
        Ok(ChatMessage::ToolResult {
            call_id: id.to_owned(),
            name: call.name.clone(),
            content: self.text()?,
        })
    }
}

/// What is stored of the last message. The provider gets it as it is.
fn question(last: &ChatMessage) -> Result<Option<Question>, ApiError> {
    let text = match last {
        ChatMessage::User(text) => text.clone(),
        ChatMessage::UserParts(parts) => {
            let part = |part: &UserPart| match part {
                UserPart::Text(text) => text.clone(),
                UserPart::Image(_) => IMAGE.to_owned(),
            };
            parts.iter().map(part).collect::<Vec<_>>().join("\n")
        }
        _ => return Ok(None),
    };
    // Programs paste what terminals wrote; people are shown what is stored.
    let text = text.replace(text::is_control, "\u{FFFD}");
    let question = Question::of_client(text);
    let question = question.map_err(|error| ApiError::from(error).field("messages"))?;
    Ok(Some(question))
}
