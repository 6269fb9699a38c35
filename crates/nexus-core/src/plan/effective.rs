//! Where two profiles of the same person differ.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contrast::{contrast, short};
use super::present;
use crate::profile::Explanation;
use crate::{EffectiveProfile, Field, Model};

/// A field that would have another value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// `config.NAME` or `prompts.NAME`; `prompts` for their order.
    pub field: String,
    /// What is in force, in a few words. `None`: there is no such field. `null`: left to the
    /// provider.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub before: Option<Value>,
    /// What would be in force.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub after: Option<Value>,
}

/// What differs, in the order of the fields.
pub(super) fn changes(before: &EffectiveProfile, after: &EffectiveProfile) -> Vec<FieldChange> {
    let (old, new) = (before.explain(), after.explain());
    let mut changes = Vec::new();
    changes.extend(answering(&before.model.value, &after.model.value));
    for old in &old {
        let new = new.iter().find(|new| new.field == old.field);
        if new.is_none_or(|new| new.value != old.value) {
            changes.push(change(Some(old), new));
        }
    }
    for new in &new {
        if !old.iter().any(|old| old.field == new.field) {
            changes.push(change(None, Some(new)));
        }
    }
    changes.extend(order(before, after));
    changes
}

fn change(before: Option<&Explanation>, after: Option<&Explanation>) -> FieldChange {
    let field = before.or(after).map(|it| it.field.to_string());
    let (before, after) = match (before.map(told), after.map(told)) {
        (Some(before), Some(after)) => {
            let (before, after) = contrast(&before, &after);
            (Some(before), Some(after))
        }
        (before, after) => (before.as_ref().map(short), after.as_ref().map(short)),
    };
    FieldChange {
        field: field.unwrap_or_default(),
        before,
        after,
    }
}

/// The value, but for the words of a prompt that a person wrote: those are theirs.
fn told(it: &Explanation) -> Value {
    match (&it.field, it.value.as_str()) {
        (Field::Prompt(_), Some(text)) if it.layer.is_personal() && !text.is_empty() => {
            format!("(a text of their own, {} characters)", text.chars().count()).into()
        }
        _ => it.value.clone(),
    }
}

/// The same name, and somebody else who answers to it.
fn answering(before: &Model, after: &Model) -> Option<FieldChange> {
    let asked = |model: &Model| {
        (
            model.name.clone(),
            model.provider.name.clone(),
            model.id.clone(),
        )
    };
    let tell = |model: &Model| {
        let (name, provider, id) = asked(model);
        Some(Value::from(format!("{name} ({id} at {provider})")))
    };
    (before.name == after.name && asked(before) != asked(after)).then(|| FieldChange {
        field: crate::ConfigField::Model.to_string(),
        before: tell(before),
        after: tell(after),
    })
}

/// The same blocks, joined in another order.
fn order(before: &EffectiveProfile, after: &EffectiveProfile) -> Option<FieldChange> {
    let shared = |one: &EffectiveProfile, other: &EffectiveProfile| {
        let names = one.prompts.iter().map(|prompt| &prompt.name);
        let names = names.filter(|name| other.prompts.iter().any(|prompt| prompt.name == **name));
        names
            .map(|name| name.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    let (old, new) = (shared(before, after), shared(after, before));
    (old != new).then(|| FieldChange {
        field: "prompts".to_owned(),
        before: Some(old.join(", ").into()),
        after: Some(new.join(", ").into()),
    })
}
