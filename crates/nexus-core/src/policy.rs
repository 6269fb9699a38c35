//! Locks and bounds: what a person may set, and within which limits.
//!
//! Policy has two sources. Some limits are built in and hold whatever a template says. The rest
//! comes from layers, weak to strong; each can only add to what the weaker ones forbid.

mod bounds;
mod refusal;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::genesis::quoted;
use crate::overrides::FieldValue;
use crate::{ConfigField, Field, PromptName};

pub use nexus_api::profile::{Lock, Step};

pub use bounds::Bounds;
pub use refusal::Refusal;

use bounds::WHOLE;

/// What may be done with one field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Who locked it, if anybody: personal layers are then ignored.
    pub lock: Option<Lock>,
    /// The limits for a value.
    pub bounds: Bounds,
}

impl Policy {
    /// Both policies at once.
    #[must_use]
    pub fn restricted_by(&self, other: &Self) -> Self {
        Self {
            lock: self.lock.or(other.lock),
            bounds: self.bounds.narrow(&other.bounds),
        }
    }
}

/// The limits that hold whatever a template says.
#[must_use]
pub fn ceiling(field: ConfigField) -> Bounds {
    let whole = |min, max| Bounds {
        steps: vec![WHOLE],
        ..Bounds::between(min, max)
    };
    match field {
        ConfigField::Model | ConfigField::Tools => Bounds::default(),
        ConfigField::Temperature => Bounds::between(0.0, 2.0),
        ConfigField::MaxTokens => whole(1.0, 1_000_000.0),
        ConfigField::HistoryContextSize => whole(0.0, 100.0),
    }
}

/// The policy of one layer, by field. A field that is not there is free.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    config: BTreeMap<ConfigField, Arc<Policy>>,
    prompts: BTreeMap<PromptName, Arc<Policy>>,
}

impl Policies {
    /// Adds to what is forbidden for `field`.
    pub fn restrict(&mut self, field: &Field, policy: &Policy) {
        let entry = match field {
            Field::Config(field) => self.config.entry(*field).or_default(),
            Field::Prompt(name) => self.prompts.entry(name.clone()).or_default(),
        };
        *entry = Arc::new(entry.restricted_by(policy));
    }

    /// What this layer says about a setting, if anything.
    #[must_use]
    pub fn config(&self, field: ConfigField) -> Option<&Arc<Policy>> {
        self.config.get(&field)
    }

    /// What this layer says about a prompt, if anything.
    #[must_use]
    pub fn prompt(&self, name: &PromptName) -> Option<&Arc<Policy>> {
        self.prompts.get(name)
    }
}

/// The type of a setting, in words.
pub(crate) const fn expected_type(field: ConfigField) -> &'static str {
    match field {
        ConfigField::Model => "the name of a model",
        ConfigField::Temperature => "a number",
        ConfigField::MaxTokens | ConfigField::HistoryContextSize => "a whole number",
        ConfigField::Tools => "a list of tools: current_time, SERVER or SERVER.TOOL",
    }
}

/// The limits, in words: "a number from 0 to 2 in steps of 0.1".
pub(crate) fn describe(field: ConfigField, bounds: &Bounds) -> String {
    use std::fmt::Write as _;

    if let Some(only) = &bounds.numbers {
        let list: Vec<_> = only.iter().map(ToString::to_string).collect();
        return format!("one of {}", list.join(", "));
    }
    let mut words = expected_type(field).to_owned();
    match (bounds.min, bounds.max) {
        (Some(min), Some(max)) => _ = write!(words, " from {min} to {max}"),
        (Some(min), None) => _ = write!(words, " of at least {min}"),
        (None, Some(max)) => _ = write!(words, " of at most {max}"),
        (None, None) => {}
    }
    for step in bounds.steps.iter().filter(|step| **step != WHOLE) {
        _ = write!(words, " in steps of {}", step.size);
    }
    words
}

/// The limits of a prompt, in words: "one of the texts \"brief\", \"long\"".
pub(crate) fn describe_text(bounds: &Bounds) -> String {
    let max = bounds.max_length;
    match &bounds.texts {
        Some(only) if only.is_empty() => "left as it is: no text may be chosen".to_owned(),
        Some(only) => {
            let texts: Vec<_> = only.iter().map(|text| quoted(text)).collect();
            format!("one of the texts {}", texts.join(", "))
        }
        None => max.map_or_else(
            || "a text".to_owned(),
            |max| format!("a text of at most {max} characters"),
        ),
    }
}

impl FieldValue {
    /// The value as a number, when it is one.
    pub(crate) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Text(_) | Self::Names(_) => None,
            Self::Number(number) => Some(*number),
            Self::Count(count) => Some(f64::from(*count)),
        }
    }
}
