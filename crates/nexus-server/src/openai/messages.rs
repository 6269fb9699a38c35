//! The messages of a request. Each is kept in the program's form, for providers of the same protocol,
//! and read, for the others. Keys that no provider needs are left out.

use std::collections::HashMap;

use nexus_core::text;
use nexus_run::Question;
use nexus_run::client::{ChatMessage, Image, ToolCall, UserPart};
use serde_json::{Map, Value};

use super::request::{self, wrong_type};
use crate::ApiError;
use crate::body::NODE_BYTES;

/// What stands for an image in what is stored.
const IMAGE: &str = "[image]";

/// What stands between system texts.
const BETWEEN: &str = "\n\n";

/// The most messages of a request.
const MAX_MESSAGES: usize = 10_000;

/// The most parts of a message, or calls in it.
const MAX_PARTS: usize = 10_000;

/// The longest system text, in bytes. It goes through more hands than other text.
const MAX_SYSTEM_BYTES: usize = 1024 * 1024;

/// The longest name of a tool, in bytes: each result repeats the name of its call.
const MAX_NAME_BYTES: usize = 256;

/// The messages of a request, told apart.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// Without the system texts.
    pub(super) messages: Vec<ChatMessage>,
    /// The system texts, wherever they stood.
    pub(super) system_text: String,
    /// What the person asks, where the conversation ends with it.
    pub(super) question: Option<Question>,
    /// Bytes that are in memory twice: as they came, and as they were read.
    pub(super) kept_twice: usize,
    /// The names of the tools that were called so far, by the ids of the calls.
    called: HashMap<String, String>,
}

pub(super) fn read(messages: Vec<Value>) -> Result<Conversation, ApiError> {
    if messages.len() > MAX_MESSAGES {
        return Err(too_many("messages", MAX_MESSAGES, "messages"));
    }
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
    conversation.called = HashMap::new();
    Ok(conversation)
}

fn too_many(field: impl Into<String>, most: usize, what: &str) -> ApiError {
    let field = field.into();
    let message = format!("{field} holds more than {most} {what}: send less at a time");
    ApiError::unprocessable("too_many", message).field(field)
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
                if self.system_text.len() > MAX_SYSTEM_BYTES {
                    let message = format!(
                        "the system texts of messages are longer than {MAX_SYSTEM_BYTES} bytes"
                    );
                    let error = ApiError::unprocessable("too_long", message);
                    return Err(error.field("messages"));
                }
                return Ok(());
            }
            Some("user") => (&["role", "content", "name"], message.user()?),
            Some("assistant") => (&ASSISTANT_KEYS, message.assistant()?),
            Some("tool") => (
                &["role", "content", "tool_call_id", "name"],
                message.tool_result(&self.called)?,
            ),
            _ => {
                let expected = "system, developer, user, assistant or tool";
                return Err(wrong_type(message.field("role"), expected));
            }
        };
        let mut form = message.form;
        self.remember(&form, &read);
        form.retain(|key, value| {
            keys.contains(&key.as_str()) && (!value.is_null() || key == "content")
        });
        self.messages.push(ChatMessage::client(form, read));
        Ok(())
    }

    /// Notes the calls of a message, which later ones answer, and what it takes in memory.
    fn remember(&mut self, form: &Map<String, Value>, read: &ChatMessage) {
        self.kept_twice += kept_twice(form, read);
        // Neighbours of one role become one message for some providers.
        let texts = self
            .messages
            .last()
            .and_then(|last| joined(last.plain(), read));
        self.kept_twice += texts.unwrap_or_default();
        if let ChatMessage::Assistant { tool_calls, .. } = read {
            let calls = tool_calls.iter();
            self.called
                .extend(calls.map(|call| (call.id.clone(), call.name.clone())));
        }
    }
}

/// The length of the texts of two neighbours of one role.
const fn joined(last: &ChatMessage, next: &ChatMessage) -> Option<usize> {
    match (last, next) {
        (ChatMessage::User(last), ChatMessage::User(next))
        | (ChatMessage::Assistant { text: last, .. }, ChatMessage::Assistant { text: next, .. }) => {
            Some(last.len() + next.len())
        }
        _ => None,
    }
}

/// About as many bytes of a message as are in memory as they came and as they were read. The texts of
/// `content` are not among them, unless several became one.
fn kept_twice(form: &Map<String, Value>, read: &ChatMessage) -> usize {
    let bytes = match read {
        ChatMessage::User(text) if form["content"].is_array() => text.len(),
        ChatMessage::UserParts(parts) => parts.len() * NODE_BYTES,
        ChatMessage::Assistant {
            text,
            reasoning,
            tool_calls,
        } => {
            let is_one = form.get("content").is_none_or(Value::is_string);
            let calls = tool_calls.iter().map(|call| {
                let extra: usize = call.extra.values().map(request::size).sum();
                // The names are noted for the results once more.
                let names = 2 * (call.id.len() + call.name.len());
                2 * NODE_BYTES + names + call.arguments.len() + extra
            });
            let text = if is_one { 0 } else { text.len() };
            text + reasoning.len() + calls.sum::<usize>()
        }
        ChatMessage::ToolResult {
            call_id,
            name,
            content,
        } => {
            let is_one = form["content"].is_string();
            let text = if is_one { 0 } else { content.len() };
            call_id.len() + name.len() + text
        }
        _ => 0,
    };
    NODE_BYTES + bytes
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
        if parts.len() > MAX_PARTS {
            return Err(too_many(self.field("content"), MAX_PARTS, "parts"));
        }
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
        if calls.len() > MAX_PARTS {
            return Err(too_many(self.field("tool_calls"), MAX_PARTS, "calls"));
        }
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
        let name = text("/function/name")?;
        if name.len() > MAX_NAME_BYTES {
            let field = self.field(&format!("tool_calls[{at}].function.name"));
            return Err(wrong_type(field, "a name of at most 256 bytes"));
        }
        Ok(ToolCall {
            id: text("/id")?,
            name,
            arguments: text("/function/arguments")?,
            extra,
        })
    }

    fn tool_result(&self, called: &HashMap<String, String>) -> Result<ChatMessage, ApiError> {
        let id = self.form.get("tool_call_id").and_then(Value::as_str);
        let id = id.ok_or_else(|| wrong_type(self.field("tool_call_id"), "a text"))?;
        let name = called.get(id).ok_or_else(|| {
            let expected = "the id of a call of an earlier message";
            wrong_type(self.field("tool_call_id"), expected)
        })?;
        Ok(ChatMessage::ToolResult {
            call_id: id.to_owned(),
            name: name.clone(),
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
