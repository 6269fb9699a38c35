//! Where two templates differ in what people may do, and in what they have to sign.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::{self, Lock};
use crate::{CommandName, ConfigField, Field, Genesis, PromptName};

/// One rule that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum PolicyChange {
    /// People may change a field that they could not.
    Unlocked {
        /// Which.
        field: Field,
    },
    /// People may not change a field any more.
    Locked {
        /// Which.
        field: Field,
        /// Why not.
        lock: Lock,
    },
    /// Other values of a setting are allowed.
    Bounds {
        /// Which.
        field: Field,
        /// What was allowed, in words.
        before: String,
        /// What is allowed now, in words.
        after: String,
    },
    /// A command needs a signature that it did not need.
    SignatureNeeded {
        /// Which.
        command: CommandName,
    },
    /// A command needs no signature any more. One of the built-in list never loses it.
    SignatureNotNeeded {
        /// Which.
        command: CommandName,
    },
}

impl fmt::Display for PolicyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlocked { field } => write!(f, "{field}: people may change it from then on"),
            Self::Locked { field, lock } => {
                let reason = lock.reason();
                write!(f, "{field}: people may not change it any more; {reason}")
            }
            Self::Bounds {
                field,
                before,
                after,
            } => write!(f, "{field}: {before} becomes {after}"),
            Self::SignatureNeeded { command } => write!(f, "{command}: needs a signature"),
            Self::SignatureNotNeeded { command } => {
                write!(f, "{command}: needs no signature any more")
            }
        }
    }
}

/// Every rule in which two templates differ: the fields in their order, then the commands. A prompt
/// that only one of them has is free or locked with it.
#[must_use]
pub fn policy_changes(before: &Genesis, after: &Genesis) -> Vec<PolicyChange> {
    let mut changes: Vec<_> = before
        .fields()
        .chain(after.fields().filter(|field| is_new(field, before)))
        .filter_map(|field| lock_change(before, after, field))
        .collect();
    let settings = ConfigField::ALL.into_iter();
    changes.extend(settings.filter_map(|field| bounds_change(before, after, field)));
    let prompts = before.prompts().iter();
    changes.extend(prompts.filter_map(|block| text_change(before, after, &block.name)));
    let commands = CommandName::ALL.iter();
    changes.extend(commands.filter_map(|command| {
        let command = *command;
        match (
            before.needs_signature(command),
            after.needs_signature(command),
        ) {
            (false, true) => Some(PolicyChange::SignatureNeeded { command }),
            (true, false) => Some(PolicyChange::SignatureNotNeeded { command }),
            _ => None,
        }
    }));
    changes
}

fn is_new(field: &Field, before: &Genesis) -> bool {
    matches!(field, Field::Prompt(_)) && before.lock(field) == Some(Lock::NoSuchPrompt)
}

fn lock_change(before: &Genesis, after: &Genesis, field: Field) -> Option<PolicyChange> {
    match (before.lock(&field), after.lock(&field)) {
        (Some(_), None) => Some(PolicyChange::Unlocked { field }),
        (None, Some(lock)) => Some(PolicyChange::Locked { field, lock }),
        _ => None,
    }
}

fn bounds_change(before: &Genesis, after: &Genesis, field: ConfigField) -> Option<PolicyChange> {
    let words = |genesis: &Genesis| match field {
        ConfigField::Model => names(&genesis.choosable_models()),
        ConfigField::Tools => names(&genesis.choosable_tools()),
        _ => policy::describe(field, &genesis.policy(field).bounds),
    };
    let (before, after) = (words(before), words(after));
    (before != after).then(|| PolicyChange::Bounds {
        field: field.into(),
        before,
        after,
    })
}

/// A prompt that both have, with other limits.
fn text_change(before: &Genesis, after: &Genesis, name: &PromptName) -> Option<PolicyChange> {
    let words = |genesis: &Genesis| {
        let policy = genesis.policies().prompt(name)?;
        Some(policy::describe_text(&policy.bounds))
    };
    let (before, after) = (words(before)?, words(after)?);
    (before != after).then(|| PolicyChange::Bounds {
        field: name.clone().into(),
        before,
        after,
    })
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        format!("one of {}", names.join(", "))
    }
}
