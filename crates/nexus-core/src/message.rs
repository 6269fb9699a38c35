//! What is stored of a conversation.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use nexus_api::message::Role;

use crate::{MessageId, PublicKey, RunId, Timestamp};

/// One stored message. It belongs to exactly one owner, and is never changed after it is stored.
#[derive(Clone, Debug)]
pub struct Message {
    /// `msg_…`
    pub id: MessageId,
    /// The run that it belongs to.
    pub run_id: RunId,
    /// The identity that it belongs to.
    pub owner_key: PublicKey,
    /// Who speaks.
    pub role: Role,
    /// The text.
    pub content: String,
    /// When it was made, in milliseconds.
    pub timestamp: Timestamp,
    /// Facts about it: the model that answered, usage, tool calls.
    pub metadata: Metadata,
}

impl From<Message> for nexus_api::message::Message {
    fn from(message: Message) -> Self {
        Self {
            id: message.id.into(),
            run_id: message.run_id.into(),
            owner_key: message.owner_key.into(),
            role: message.role,
            content: message.content,
            timestamp: message.timestamp,
            metadata: message.metadata.0,
        }
    }
}

/// A JSON object that is passed through as text: history is read on every run, and nothing there
/// needs its metadata taken apart.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// `{}`
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Map::new())
    }

    /// Reads stored text. `None` when it is not a JSON object.
    #[must_use]
    pub fn from_json(text: String) -> Option<Self> {
        if !text.starts_with('{') {
            return None;
        }
        RawValue::from_string(text).ok().map(Self)
    }

    /// The JSON text, always an object.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// The object, taken apart.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

impl From<Map<String, Value>> for Metadata {
    fn from(map: Map<String, Value>) -> Self {
        let text = Value::Object(map).to_string();
        Self(
            RawValue::from_string(text)
                .unwrap_or_else(|_| unreachable!("a JSON value prints as JSON")),
        )
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.to_map() == other.to_map()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_of_the_original_are_understood() {
        assert_eq!(Role::parse("HUMAN"), Some(Role::Human));
        assert_eq!(Role::parse("ai"), Some(Role::Ai));
        assert_eq!(Role::parse("assistant"), None);
    }

    #[test]
    fn metadata_is_an_object() {
        assert_eq!(Metadata::empty().as_json(), "{}");
        assert!(Metadata::from_json("[1]".into()).is_none());
        assert!(Metadata::from_json("{broken".into()).is_none());
        let kept = Metadata::from_json(r#"{"later":{"field":1}}"#.into()).unwrap();
        assert_eq!(kept.to_map()["later"]["field"], 1);
    }
}
