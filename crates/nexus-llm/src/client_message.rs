//! A message as a client of OpenAI's protocol wrote it, and as Nexus reads it. Long texts are in
//! memory once: they are taken out of the first, and written back where it is sent.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{ChatMessage, Image, UserPart};

/// What a client of OpenAI's protocol wrote.
#[derive(Debug, PartialEq)]
pub struct ClientMessage {
    /// The message in its own form, for providers of that protocol. A text of `content` that is
    /// empty here is the one that was read.
    form: Map<String, Value>,
    /// The same, as far as the other protocols can say it. Never a client's.
    read: ChatMessage,
}

impl ClientMessage {
    pub(crate) fn new(mut form: Map<String, Value>, read: ChatMessage) -> Self {
        if let Some(content) = form.get_mut("content") {
            take_out(content, &read);
        }
        Self { form, read }
    }

    /// The message as Nexus reads it.
    pub(crate) const fn read(&self) -> &ChatMessage {
        &self.read
    }

    /// The message as it came, but for the texts that were taken out.
    pub(crate) const fn form(&self) -> &Map<String, Value> {
        &self.form
    }

    /// The texts that were taken out. Images are not among them.
    pub(crate) fn taken_out(&self) -> Vec<&str> {
        match (self.form.get("content"), &self.read) {
            (Some(Value::String(text)), read) if text.is_empty() => {
                text_of(read).into_iter().collect()
            }
            (Some(Value::Array(form)), ChatMessage::UserParts(read)) => {
                let texts = form.iter().zip(read).filter_map(|(form, read)| match read {
                    UserPart::Text(read) if form.get("text")?.as_str()?.is_empty() => Some(&**read),
                    _ => None,
                });
                texts.collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether its content came as one text, not as parts.
    #[must_use]
    pub fn has_one_text(&self) -> bool {
        self.form.get("content").is_some_and(Value::is_string)
    }

    /// Writes the fields of the message as they came.
    pub(crate) fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        for (key, value) in &self.form {
            match (key.as_str(), value, &self.read) {
                ("content", Value::String(text), read) if text.is_empty() => {
                    map.serialize_entry(key, text_of(read).unwrap_or_default())?;
                }
                ("content", Value::Array(form), ChatMessage::UserParts(read)) => {
                    map.serialize_entry(key, &Parts { form, read })?;
                }
                _ => map.serialize_entry(key, value)?,
            }
        }
        Ok(())
    }
}

/// As it came.
impl Serialize for ClientMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.form.len()))?;
        self.write_fields(&mut map)?;
        map.end()
    }
}

fn text_of(read: &ChatMessage) -> Option<&str> {
    match read {
        ChatMessage::User(text)
        | ChatMessage::Assistant { text, .. }
        | ChatMessage::ToolResult { content: text, .. } => Some(text),
        _ => None,
    }
}

/// Takes the texts out of `content` that are in `read`.
fn take_out(content: &mut Value, read: &ChatMessage) {
    match (content, read) {
        (Value::String(text), read) if text_of(read) == Some(text) => *text = String::new(),
        (Value::Array(form), ChatMessage::UserParts(read)) if form.len() == read.len() => {
            for (part, read) in form.iter_mut().zip(read) {
                let place = match read {
                    UserPart::Text(_) => part.get_mut("text"),
                    UserPart::Image(_) => part.pointer_mut("/image_url/url"),
                };
                if let Some(Value::String(text)) = place
                    && is_read(text, read)
                {
                    *text = String::new();
                }
            }
        }
        _ => {}
    }
}

fn is_read(text: &str, read: &UserPart) -> bool {
    match read {
        UserPart::Text(read) => text == read,
        UserPart::Image(Image::Inline { media_type, base64 }) => text
            .strip_prefix("data:")
            .and_then(|rest| rest.strip_prefix(&**media_type))
            .and_then(|rest| rest.strip_prefix(";base64,"))
            .is_some_and(|rest| rest == base64),
        // It was read into another form.
        UserPart::Image(Image::Address(_)) => false,
    }
}

/// The parts of a message, with the texts that were taken out.
struct Parts<'a> {
    form: &'a [Value],
    read: &'a [UserPart],
}

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.form.len()))?;
        for (place, form) in self.form.iter().enumerate() {
            match (form, self.read.get(place)) {
                (Value::Object(form), Some(read)) => {
                    sequence.serialize_element(&Part { form, read })?;
                }
                _ => sequence.serialize_element(form)?,
            }
        }
        sequence.end()
    }
}

/// An object of the form, in which an empty `text` or `url` is the one that was read.
struct Part<'a> {
    form: &'a Map<String, Value>,
    read: &'a UserPart,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.form.len()))?;
        for (key, value) in self.form {
            match (key.as_str(), value, self.read) {
                ("text", Value::String(text), UserPart::Text(read)) if text.is_empty() => {
                    map.serialize_entry(key, read)?;
                }
                (
                    "url",
                    Value::String(url),
                    UserPart::Image(Image::Inline { media_type, base64 }),
                ) if url.is_empty() => {
                    let url = format_args!("data:{media_type};base64,{base64}");
                    map.serialize_entry(key, &url)?;
                }
                ("image_url", Value::Object(form), read) => {
                    map.serialize_entry(key, &Part { form, read })?;
                }
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_taken_out_of_a_message_is_written_back_where_it_stood() {
        let image = "data:image/png;base64,aGk=";
        let address = "http://X.test/a.png";
        let parts = json!([
            {"type": "text", "text": "Look", "cache": {"text": ""}},
            {"type": "image_url", "image_url": {"detail": "low", "url": image}},
            {"type": "image_url", "image_url": {"url": address}},
            {"type": "text", "text": ""},
        ]);
        let read_parts = vec![
            UserPart::Text("Look".to_owned()),
            UserPart::Image(Image::parse(image).expect("an image")),
            UserPart::Image(Image::parse(address).expect("an image")),
            UserPart::Text(String::new()),
        ];
        let assistant = |text: &str| ChatMessage::Assistant {
            text: text.to_owned(),
            reasoning: String::new(),
            tool_calls: Vec::new(),
        };
        for (content, read) in [
            (json!("Hi"), ChatMessage::User("Hi".to_owned())),
            (json!(""), ChatMessage::User(String::new())),
            (parts, ChatMessage::UserParts(read_parts)),
            (json!("Hi"), assistant("Hi")),
            (json!(null), assistant("")),
            (json!([{"type": "text", "text": "Hi"}]), assistant("Hi")),
        ] {
            let form = json!({"role": "x", "content": content, "name": ""});
            let Value::Object(fields) = form.clone() else {
                unreachable!("an object was written")
            };
            let message = ClientMessage::new(fields, read);
            assert!(!message.form["content"].to_string().contains("aGk="));
            let written = message.taken_out().join("") + &message.form["content"].to_string();
            assert_eq!(
                written.matches("Hi").count(),
                form["content"].to_string().matches("Hi").count()
            );
            assert_eq!(serde_json::to_value(&message).ok(), Some(form));
        }
    }
}
