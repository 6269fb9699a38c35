//! What one person changed, and the only way to change it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;
use serde_json::{Map, Value};

use crate::genesis::Genesis;
use crate::identity::TIME_ZONE;
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
    /// Stored keys that name no field, such as `config.temprature`: the first `MAX_UNKNOWN`.
    pub unknown: Vec<UnknownKey>,
}

/// The most unknown keys of one person that are named.
const MAX_UNKNOWN: usize = 20;

/// The longest part of an unknown key that is named, in characters.
const MAX_UNKNOWN_CHARS: usize = 64;

impl Overrides {
    /// Reads the stored maps `config_overrides` and `prompt_overrides`. Keys that Nexus does not
    /// know are left where they are; they never reach a provider.
    #[must_use]
    pub fn from_stored(config: &Map<String, Value>, prompts: &Map<String, Value>) -> Self {
        let mut read = Self::default();
        for (key, value) in config {
            let Some(field) = ConfigField::parse(key) else {
                read.note_unknown(Section::Config, key, value);
                continue;
            };
            match FieldValue::read(field, value) {
                Some(value) => read.put(field, value),
                None => read.unusable.push((field.into(), expected_type(field))),
            }
        }
        for (key, value) in prompts {
            let Ok(name) = key.parse::<PromptName>() else {
                read.note_unknown(Section::Prompts, key, value);
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
            target: OverrideTarget::Field(field.clone()),
            value: Some(value.clone()),
        })
    }

    /// Goes back to inheriting `field`. Always possible: it can only give up something.
    #[must_use]
    pub fn unset(field: &Field) -> OverrideWrite {
        OverrideWrite {
            target: OverrideTarget::Field(field.clone()),
            value: None,
        }
    }

    /// Removes a stored key that names no field, by its exact name or as notices show it. `None`:
    /// there is no such key.
    #[must_use]
    pub fn unset_unknown(&self, section: Section, name: &str) -> Option<OverrideWrite> {
        let keys = || self.unknown.iter().filter(|key| key.section == section);
        let exact = keys().find(|key| *key.key == *name);
        let found = exact.or_else(|| keys().find(|key| key.shown() == name));
        found.map(|key| OverrideWrite {
            target: OverrideTarget::Unknown(key.clone()),
            value: None,
        })
    }

    /// Sets the time zone of the owner, or goes back to UTC.
    #[must_use]
    pub fn time_zone(zone: Option<Tz>) -> OverrideWrite {
        OverrideWrite {
            target: OverrideTarget::TimeZone,
            value: zone.map(|zone| zone.name().into()),
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

    /// Remembers a key that names no field.
    fn note_unknown(&mut self, section: Section, key: &str, value: &Value) {
        if self.unknown.len() < MAX_UNKNOWN {
            self.unknown.push(UnknownKey {
                section,
                key: key.into(),
                value: value.clone(),
            });
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

/// The maps in which a person's overrides are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `config_overrides`
    Config,
    /// `prompt_overrides`
    Prompts,
}

/// A stored key that names no field, with its value. It may hold anything.
#[derive(Clone, Debug, PartialEq)]
pub struct UnknownKey {
    /// The map that it is in.
    pub section: Section,
    /// The key, as it is stored.
    pub key: Arc<str>,
    /// Its value.
    pub value: Value,
}

impl UnknownKey {
    /// The key as people see it: its beginning, without control and hidden characters.
    fn shown(&self) -> String {
        let shown = |c: char| {
            if c.is_control() || text::is_hidden(c) {
                '\u{fffd}'
            } else {
                c
            }
        };
        let chars = self.key.chars().take(MAX_UNKNOWN_CHARS);
        chars.map(shown).collect()
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section = match self.section {
            Section::Config => "config",
            Section::Prompts => "prompts",
        };
        write!(f, "{section}.{}", self.shown())
    }
}

/// The value of an identity that its owner changes.
#[derive(Clone, Debug, PartialEq)]
pub enum OverrideTarget {
    /// A field.
    Field(Field),
    /// A stored key that names no field. It can only be removed.
    Unknown(UnknownKey),
    /// The time zone, which is kept in the metadata.
    TimeZone,
}

impl fmt::Display for OverrideTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => fmt::Display::fmt(field, f),
            Self::Unknown(key) => fmt::Display::fmt(key, f),
            Self::TimeZone => f.write_str(TIME_ZONE),
        }
    }
}

/// A change of one value of one identity that policy has admitted. Stores accept nothing else from
/// its owner.
#[derive(Clone, Debug, PartialEq)]
pub struct OverrideWrite {
    target: OverrideTarget,
    value: Option<Value>,
}

impl OverrideWrite {
    /// The place of the value.
    #[must_use]
    pub const fn target(&self) -> &OverrideTarget {
        &self.target
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
        for key in read.unknown.iter().map(ToString::to_string) {
            assert!(key.len() < 100 && !key.contains('\u{1b}'), "{key}");
        }
    }

    #[test]
    fn an_unknown_key_is_found_by_its_exact_name_and_as_it_is_shown() {
        let long = "é".repeat(500);
        let keys = json!({"temprature": 1, "a\u{1b}b": 2, (long.clone()): 3, "": 4});
        let read = read(&keys, &json!({"Persona": "x"}));
        let stored = |section, name: &str| match read.unset_unknown(section, name)?.target {
            OverrideTarget::Unknown(found) => Some(found.key.to_string()),
            _ => None,
        };
        for (name, key) in [
            ("temprature", "temprature"),
            ("a\u{1b}b", "a\u{1b}b"),
            ("a\u{fffd}b", "a\u{1b}b"),
            (&long, &long),
            (&"é".repeat(MAX_UNKNOWN_CHARS), &long),
            ("", ""),
        ] {
            assert_eq!(stored(Section::Config, name).as_deref(), Some(key));
        }
        for name in ["temperature", "temprature ", "é", "Persona"] {
            assert_eq!(stored(Section::Config, name), None, "{name}");
        }
        assert!(stored(Section::Prompts, "Persona").is_some());
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
        let unknown: Vec<_> = overrides.unknown.iter().map(ToString::to_string).collect();
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
