//! Where two templates differ in what people may do, and in what they have to sign.

use nexus_api::template::PolicyChange;

use crate::policy::{self, Lock};
use crate::{CommandName, ConfigField, Field, Genesis, PromptName};

/// Every rule in which two templates differ: the fields in their order, then the commands. A prompt
/// that only one of them has is free or locked with it.
#[must_use]
pub fn policy_changes(before: &Genesis, after: &Genesis) -> Vec<PolicyChange> {
    let mut changes: Vec<_> = before
        .fields()
        .chain(after.fields().filter(|field| is_new(field, before)))
        .filter_map(|field| lock_change(before, after, &field))
        .collect();
    let settings = ConfigField::ALL.into_iter();
    changes.extend(settings.filter_map(|field| bounds_change(before, after, field)));
    let prompts = before.prompts().iter();
    changes.extend(prompts.filter_map(|block| text_change(before, after, &block.name)));
    let commands = CommandName::ALL.iter();
    changes.extend(commands.filter_map(|command| {
        match (
            before.needs_signature(*command),
            after.needs_signature(*command),
        ) {
            (false, true) => Some(PolicyChange::SignatureNeeded {
                command: command.to_string(),
            }),
            (true, false) => Some(PolicyChange::SignatureNotNeeded {
                command: command.to_string(),
            }),
            _ => None,
        }
    }));
    changes
}

fn is_new(field: &Field, before: &Genesis) -> bool {
    matches!(field, Field::Prompt(_)) && before.lock(field) == Some(Lock::NoSuchPrompt)
}

fn lock_change(before: &Genesis, after: &Genesis, field: &Field) -> Option<PolicyChange> {
    let locks = (before.lock(field), after.lock(field));
    let field = field.to_string();
    match locks {
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
        field: field.to_string(),
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
        field: Field::from(name.clone()).to_string(),
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
