//! The closed set of things a person can set: `config.*` and `prompts.*`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One thing that layers can set, by its path in the template: `config.model`, `prompts.persona`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// A setting.
    Config(ConfigField),
    /// A block of the system prompt.
    Prompt(PromptName),
}

/// A setting under `config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfigField {
    /// Which model answers.
    Model,
    /// Sampling temperature.
    Temperature,
    /// The longest answer, in tokens.
    MaxTokens,
    /// How many earlier messages the model is shown.
    HistoryContextSize,
    /// What the model may call.
    Tools,
}

impl ConfigField {
    /// All of them, in the order in which people read them.
    pub const ALL: [Self; 5] = [
        Self::Model,
        Self::Temperature,
        Self::MaxTokens,
        Self::HistoryContextSize,
        Self::Tools,
    ];

    /// The key under `config` and in `config_overrides`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Temperature => "temperature",
            Self::MaxTokens => "max_tokens",
            Self::HistoryContextSize => "history_context_size",
            Self::Tools => "tools",
        }
    }

    /// The setting with this key.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == key)
    }
}

/// The name of a prompt block: 1 to 64 lower-case letters, digits, `_` or `-`. Nothing in it can
/// mean anything to a database.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PromptName(Arc<str>);

impl PromptName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text is not the path of a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no field {found:?}: expected model, temperature, max_tokens, history_context_size, tools, or prompts.NAME"
)]
pub struct UnknownField {
    /// What was given.
    pub found: String,
}

impl FromStr for PromptName {
    type Err = UnknownField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
        };
        if (1..=64).contains(&text.len()) && text.bytes().all(valid) {
            Ok(Self(text.into()))
        } else {
            Err(UnknownField {
                found: text.chars().take(80).collect(),
            })
        }
    }
}

impl FromStr for Field {
    type Err = UnknownField;

    /// Reads `config.temperature`, the short form `temperature`, or `prompts.persona`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = text.strip_prefix("prompts.") {
            return name.parse().map(Self::Prompt);
        }
        let key = text.strip_prefix("config.").unwrap_or(text);
        ConfigField::parse(key)
            .map(Self::Config)
            .ok_or_else(|| UnknownField {
                found: text.chars().take(80).collect(),
            })
    }
}

impl fmt::Display for ConfigField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config.{}", self.as_str())
    }
}

impl fmt::Display for PromptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PromptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(field) => fmt::Display::fmt(field, f),
            Self::Prompt(name) => write!(f, "prompts.{name}"),
        }
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl From<ConfigField> for Field {
    fn from(field: ConfigField) -> Self {
        Self::Config(field)
    }
}

impl From<PromptName> for Field {
    fn from(name: PromptName) -> Self {
        Self::Prompt(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_a_path_and_settings_a_short_form() {
        for field in ConfigField::ALL {
            assert_eq!(field.to_string().parse(), Ok(Field::Config(field)));
            assert_eq!(field.as_str().parse(), Ok(Field::Config(field)));
        }
        assert_eq!(
            "prompts.persona".parse::<Field>().unwrap().to_string(),
            "prompts.persona"
        );
    }

    #[test]
    fn nothing_that_could_reach_a_query_is_a_field() {
        for text in [
            "",
            "prompts.",
            "prompts.a.b",
            "prompts.$where",
            "prompts.Persona",
            "config",
            "config.model.x",
            "__proto__",
        ] {
            assert!(text.parse::<Field>().is_err(), "{text}");
        }
    }
}
