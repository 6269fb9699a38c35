//! The template as it is stored: a JSON document, key for key as people and the database see it.

use std::collections::BTreeMap;

pub use nexus_api::template::Environment;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::hex;

/// The stored template. It may hold anything: [`Genesis::check`](crate::Genesis::check) decides
/// whether it can be used, and keys that Nexus does not know are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenesisDoc(Map<String, Value>);

/// The document is not an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a template is a document with keys such as llm and user_defaults")]
pub struct NotADocument;

impl GenesisDoc {
    /// Takes the top level of a stored or written document. The bookkeeping of stores (`_id`,
    /// `environment`) is not part of it, and the wrapper `config_data` that the original Python
    /// NEXUS once used is opened.
    #[must_use]
    pub fn new(mut document: Map<String, Value>) -> Self {
        if let Some(Value::Object(wrapped)) = document.get_mut("config_data") {
            document = std::mem::take(wrapped);
        }
        document.shift_remove("_id");
        document.shift_remove("environment");
        Self(document)
    }

    /// Takes a value that should be a document.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn from_value(value: Value) -> Result<Self, NotADocument> {
        match value {
            Value::Object(document) => Ok(Self::new(document)),
            _ => Err(NotADocument),
        }
    }

    /// The emergency template: just enough to answer in development when there is no usable
    /// template. It knows one model, the built-in mirror, and allows no changes.
    #[must_use]
    pub fn minimal() -> Self {
        let document = json!({
            "system": { "log_level": "INFO", "max_tool_iterations": 5, "app_name": "Nexus" },
            "security": { "signature_required_commands": [] },
            "llm": {
                "providers": { "builtin": { "protocol": "builtin" } },
                "catalog": { "echo": { "provider": "builtin", "id": "echo" } }
            },
            "user_defaults": {
                "config": { "model": "echo", "history_context_size": 20 },
                "prompts": {}
            },
            "ui": { "editable_fields": [], "field_options": {} }
        });
        Self::from_value(document).unwrap_or_else(|NotADocument| unreachable!("it is an object"))
    }

    /// The document.
    #[must_use]
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The document itself.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// The document, for changing it.
    pub const fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }

    /// Changes the model that people have who chose none.
    pub fn set_default_model(&mut self, model: &str) {
        if let Some(Value::Object(config)) = self
            .0
            .get_mut("user_defaults")
            .and_then(|defaults| defaults.get_mut("config"))
        {
            config.insert("model".to_owned(), model.into());
        }
    }

    /// The SHA-256 of the document, in hexadecimal. Two documents that say the same have the same
    /// hash, whatever the order of their keys.
    #[must_use]
    pub fn hash(&self) -> String {
        let text = sorted(&Value::Object(self.0.clone())).to_string();
        hex::encode(&Sha256::digest(text.as_bytes()))
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), sorted(value)))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(value: Value) -> GenesisDoc {
        GenesisDoc::from_value(value).unwrap()
    }

    #[test]
    fn documents_of_the_original_are_opened() {
        let wrapped = doc(
            json!({"_id": "x", "environment": "development", "config_data": {"system": {"app_name": "YX Nexus"}}}),
        );
        let direct = doc(json!({"environment": "development", "system": {"app_name": "YX Nexus"}}));
        assert_eq!(wrapped, direct);
    }

    #[test]
    fn the_hash_is_of_what_is_said_and_not_of_how_it_is_ordered() {
        assert_eq!(
            doc(json!({"a": 1, "b": {"c": [1, 2], "d": 2}})).hash(),
            doc(json!({"b": {"d": 2, "c": [1, 2]}, "a": 1})).hash()
        );
        assert_ne!(
            doc(json!({"a": [1, 2]})).hash(),
            doc(json!({"a": [2, 1]})).hash()
        );
    }
}
