//! What one person changed, and the only way to change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::genesis::Genesis;
use crate::policy::{Refusal, expected_type};
use crate::text::{self, MAX_PROMPT_BYTES};
use crate::tools::MAX_NAMES;
use crate::{ConfigField, Field, PromptName, ToolName};

/// What one layer sets. Absent means "inherit".
///
/// Read once from its stored document. What cannot be used stays in the document, untouched, and is
/// remembered here only so that the merge can say so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// A catalog key, an alias or a provider's id.
    pub model: Option<Arc<str>>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens.
    pub max_tokens: Option<u32>,
    /// How many earlier messages the model is shown.
    pub history_context_size: Option<u32>,
    /// What the model may call. An empty list: nothing.
    pub tools: Option<Arc<[ToolName]>>,
    /// Prompt texts. An empty text removes the block.
    pub prompts: BTreeMap<PromptName, Arc<str>>,
    /// Known fields whose stored value cannot be used, and what it should be.
    pub unusable: Vec<(Field, &'static str)>,
    /// Stored keys that name no field, such as `config.temprature`: the first [`MAX_UNKNOWN`].
    pub unknown: Vec<Arc<str>>,
}

/// How many unknown keys of one person are named.
const MAX_UNKNOWN: usize = 20;

/// How much of an unknown key is named, in characters.
const MAX_UNKNOWN_CHARS: usize = 64;

impl Overrides {
    /// Reads the stored maps `config_overrides` and `prompt_overrides`. Keys that Nexus does not
    /// know are left where they are; they never reach a provider.
    #[must_use]
    pub fn from_stored(config: &Map<String, Value>, prompts: &Map<String, Value>) -> Self {
        let mut read = Self::default();
        for (key, value) in config {
            let Some(field) = ConfigField::parse(key) else {
                read.note_unknown("config", key);
                continue;
            };
            match FieldValue::read(field, value) {
                Some(value) => read.put(field, value),
                None => read.unusable.push((field.into(), expected_type(field))),
            }
        }
        for (key, value) in prompts {
            let Ok(name) = key.parse::<PromptName>() else {
                read.note_unknown("prompts", key);
                continue;
            };
            match value
                .as_str()
                .filter(|text| text::check(text, MAX_PROMPT_BYTES).is_ok())
            {
                Some(text) => _ = read.prompts.insert(name, text.into()),
                None => read.unusable.push((
                    name.into(),
                    "a text of at most 32 KiB without control or hidden characters",
                )),
            }
        }
        read
    }

    /// Decides whether a person may set `field` to `value`. This is the only way to a write that
    /// a store accepts.
    ///
    /// # Errors
    /// When the value could never take effect, with the reason.
    pub fn set(genesis: &Genesis, field: &Field, value: &Value) -> Result<OverrideWrite, Refusal> {
        genesis.admit(field, value)?;
        Ok(OverrideWrite {
            field: field.clone(),
            value: Some(value.clone()),
        })
    }

    /// Goes back to inheriting `field`. Always possible: it can only give up something.
    #[must_use]
    pub fn unset(field: &Field) -> OverrideWrite {
        OverrideWrite {
            field: field.clone(),
            value: None,
        }
    }

    /// What this layer says about a setting, as JSON.
    #[must_use]
    pub fn get(&self, field: &Field) -> Option<Value> {
        match field {
            Field::Config(ConfigField::Model) => self.model.as_deref().map(Value::from),
            Field::Config(ConfigField::Temperature) => self.temperature.map(Value::from),
            Field::Config(ConfigField::MaxTokens) => self.max_tokens.map(Value::from),
            Field::Config(ConfigField::HistoryContextSize) => {
                self.history_context_size.map(Value::from)
            }
            Field::Config(ConfigField::Tools) => self.tools.as_deref().map(names_as_json),
            Field::Prompt(name) => self.prompts.get(name).map(|text| Value::from(&**text)),
        }
    }

    /// What this layer sets, field by field: settings first, then prompts by name.
    pub fn iter(&self) -> impl Iterator<Item = (Field, Value)> {
        let settings = ConfigField::ALL.map(Field::from);
        let prompts = self.prompts.keys().cloned().map(Field::from);
        settings
            .into_iter()
            .chain(prompts)
            .filter_map(|field| Some((field.clone(), self.get(&field)?)))
    }

    /// Remembers a key that names no field. It may hold anything, and people will read it.
    fn note_unknown(&mut self, section: &str, key: &str) {
        if self.unknown.len() < MAX_UNKNOWN {
            let shown = |c: char| {
                if c.is_control() || text::is_hidden(c) {
                    '\u{fffd}'
                } else {
                    c
                }
            };
            let key: String = key.chars().take(MAX_UNKNOWN_CHARS).map(shown).collect();
            self.unknown.push(format!("{section}.{key}").into());
        }
    }

    fn put(&mut self, field: ConfigField, value: FieldValue) {
        match (field, value) {
            (ConfigField::Model, FieldValue::Text(name)) => self.model = Some(name),
            (ConfigField::Temperature, FieldValue::Number(number)) => {
                self.temperature = Some(number);
            }
            (ConfigField::MaxTokens, FieldValue::Count(count)) => self.max_tokens = Some(count),
            (ConfigField::HistoryContextSize, FieldValue::Count(count)) => {
                self.history_context_size = Some(count);
            }
            (ConfigField::Tools, FieldValue::Names(names)) => self.tools = Some(names),
            (field, value) => unreachable!("FieldValue::read gave {value:?} for {field}"),
        }
    }
}

/// A value of the type that its field has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FieldValue {
    Text(Arc<str>),
    Number(f64),
    Count(u32),
    Names(Arc<[ToolName]>),
}

impl FieldValue {
    /// Reads a JSON value as the type of `field`. A whole number may be written `4096.0`, as some
    /// JSON libraries and the MongoDB shell do.
    pub(crate) fn read(field: ConfigField, value: &Value) -> Option<Self> {
        match field {
            ConfigField::Model => value.as_str().map(|name| Self::Text(name.into())),
            ConfigField::Temperature => value
                .as_f64()
                .filter(|number| number.is_finite())
                .map(Self::Number),
            ConfigField::MaxTokens | ConfigField::HistoryContextSize => {
                whole(value).map(Self::Count)
            }
            ConfigField::Tools => names(value).map(Self::Names),
        }
    }
}

/// A list of names, each once.
fn names(value: &Value) -> Option<Arc<[ToolName]>> {
    let items = value.as_array().filter(|items| items.len() <= MAX_NAMES)?;
    let mut names: Vec<ToolName> = Vec::with_capacity(items.len());
    for item in items {
        let name = item.as_str()?.parse().ok()?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(names.into())
}

pub(crate) fn names_as_json(names: &[ToolName]) -> Value {
    names.iter().map(ToolName::as_str).collect()
}

/// A JSON number that is a whole number fitting into 32 bits.
pub(crate) fn whole(value: &Value) -> Option<u32> {
    let number = value.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number))
        .then_some(number as u32)
}

/// A change of one field of one identity that policy has admitted. Stores accept nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct OverrideWrite {
    field: Field,
    value: Option<Value>,
}

impl OverrideWrite {
    /// The field.
    #[must_use]
    pub const fn field(&self) -> &Field {
        &self.field
    }

    /// The new value. `None` removes the override: `null` is never stored.
    #[must_use]
    pub const fn value(&self) -> Option<&Value> {
        self.value.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(config: &Value, prompts: &Value) -> Overrides {
        Overrides::from_stored(config.as_object().unwrap(), prompts.as_object().unwrap())
    }

    #[test]
    fn stored_maps_are_read_by_type() {
        let overrides = read(
            &json!({"model": "deepseek-chat", "temperature": 1, "max_tokens": 4096.0}),
            &json!({"persona": ""}),
        );
        assert_eq!(overrides.model.as_deref(), Some("deepseek-chat"));
        assert_eq!(overrides.temperature, Some(1.0));
        assert_eq!(overrides.max_tokens, Some(4096));
        assert_eq!(overrides.prompts[&"persona".parse().unwrap()].as_ref(), "");
        assert!(overrides.unusable.is_empty());
    }

    #[test]
    fn unknown_keys_are_named_up_to_a_bound_and_without_control_characters() {
        let many: Map<_, _> = (0..1000)
            .map(|number| (format!("{number}\u{1b}{}", "x".repeat(500)), Value::Null))
            .collect();
        let read = Overrides::from_stored(&many, &Map::new());
        assert_eq!(read.unknown.len(), MAX_UNKNOWN);
        for key in &read.unknown {
            assert!(key.len() < 100 && !key.contains('\u{1b}'), "{key}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_remembered_and_what_is_unknown_is_left_alone() {
        let overrides = read(
            &json!({"temperature": "hot", "max_tokens": -1, "future": {"a": 1}}),
            &json!({"persona": {"content": "x"}, "$where": "1"}),
        );
        let unusable: Vec<_> = overrides
            .unusable
            .iter()
            .map(|(field, _)| field.to_string())
            .collect();
        assert_eq!(
            unusable,
            ["config.temperature", "config.max_tokens", "prompts.persona"]
        );
        let unknown: Vec<_> = overrides.unknown.iter().map(|key| &**key).collect();
        assert_eq!(unknown, ["config.future", "prompts.$where"]);
        assert_eq!(
            Overrides {
                unusable: Vec::new(),
                unknown: Vec::new(),
                ..overrides
            },
            Overrides::default()
        );
    }
}
