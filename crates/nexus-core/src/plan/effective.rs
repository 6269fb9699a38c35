//! Where two profiles of the same person differ.

use nexus_api::profile::ProfileField;
use nexus_api::template::FieldChange;
use serde_json::Value;

use super::contrast::{contrast, short};
use crate::{EffectiveProfile, Model};

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

fn change(before: Option<&ProfileField>, after: Option<&ProfileField>) -> FieldChange {
    let field = before.or(after).map(|it| it.field.clone());
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
fn told(it: &ProfileField) -> Value {
    match it.value.as_str() {
        Some(text) if it.is_prompt() && it.layer.is_personal() && !text.is_empty() => {
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
