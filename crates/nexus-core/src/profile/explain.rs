//! The profile, told field by field: what is in force, who set it, what it hides, what applied.

use serde::Serialize;
use serde_json::Value;

use super::{EffectiveProfile, Layer, Resolved};
use crate::overrides::names_as_json;
use crate::policy::{Bounds, Lock};
use crate::{ConfigField, Field};

/// One field of a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Which.
    pub field: Field,
    /// The value in force. `null`: left to the provider.
    pub value: Value,
    /// Who set it.
    pub layer: Layer,
    /// What weaker layers had set, strong to weak.
    pub shadowed: Vec<Shadowed>,
    /// Whether the person may change it.
    pub editable: bool,
    /// Why not, if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// The limits for a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
}

/// A value that a stronger layer hides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shadowed {
    /// Who had set it.
    pub layer: Layer,
    /// To what.
    pub value: Value,
}

impl EffectiveProfile {
    /// Every field, settings first, then prompts in their order.
    #[must_use]
    pub fn explain(&self) -> Vec<Explanation> {
        let settings = [
            explanation(ConfigField::Model.into(), &self.model, |model| {
                model.name.to_string().into()
            }),
            explanation(
                ConfigField::Temperature.into(),
                &self.temperature,
                |number| Value::from(*number),
            ),
            explanation(ConfigField::MaxTokens.into(), &self.max_tokens, |count| {
                Value::from(*count)
            }),
            explanation(
                ConfigField::HistoryContextSize.into(),
                &self.history_context_size,
                |count| Value::from(*count),
            ),
            explanation(ConfigField::Tools.into(), &self.tools, |names| {
                names_as_json(names)
            }),
        ];
        let prompts = self.prompts.iter();
        let prompts = prompts.map(|prompt| {
            explanation(prompt.name.clone().into(), &prompt.text, |text| {
                text.to_string().into()
            })
        });
        settings.into_iter().chain(prompts).collect()
    }
}

fn explanation<T>(field: Field, resolved: &Resolved<T>, show: impl Fn(&T) -> Value) -> Explanation {
    let shadowed = resolved.shadowed.iter().map(|(layer, value)| Shadowed {
        layer: *layer,
        value: show(value),
    });
    let bounds = &resolved.policy.bounds;
    Explanation {
        field,
        value: show(&resolved.value),
        layer: resolved.layer,
        shadowed: shadowed.collect(),
        editable: resolved.policy.lock.is_none(),
        lock: resolved.policy.lock,
        bounds: (*bounds != Bounds::default()).then(|| bounds.clone()),
    }
}
