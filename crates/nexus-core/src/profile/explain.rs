//! The profile, told field by field: what is in force, who set it, what it hides, what applied.

use std::fmt::Display;

use nexus_api::profile::{ProfileField, Shadowed};
use serde_json::Value;

use super::{EffectiveProfile, Resolved};
use crate::overrides::names_as_json;
use crate::policy::Bounds;
use crate::{ConfigField, Field};

impl EffectiveProfile {
    /// Every field, settings first, then prompts in their order.
    #[must_use]
    pub fn explain(&self) -> Vec<ProfileField> {
        let settings = [
            explanation(ConfigField::Model, &self.model, |model| {
                model.name.to_string().into()
            }),
            explanation(ConfigField::Temperature, &self.temperature, |number| {
                Value::from(*number)
            }),
            explanation(ConfigField::MaxTokens, &self.max_tokens, |count| {
                Value::from(*count)
            }),
            explanation(
                ConfigField::HistoryContextSize,
                &self.history_context_size,
                |count| Value::from(*count),
            ),
            explanation(ConfigField::Tools, &self.tools, |names| {
                names_as_json(names)
            }),
        ];
        let prompts = self.prompts.iter();
        let prompts = prompts.map(|prompt| {
            explanation(Field::Prompt(prompt.name.clone()), &prompt.text, |text| {
                text.to_string().into()
            })
        });
        settings.into_iter().chain(prompts).collect()
    }
}

fn explanation<T>(
    field: impl Display,
    resolved: &Resolved<T>,
    show: impl Fn(&T) -> Value,
) -> ProfileField {
    let shadowed = resolved.shadowed.iter().map(|(layer, value)| Shadowed {
        layer: *layer,
        value: show(value),
    });
    let bounds = &resolved.policy.bounds;
    ProfileField {
        field: field.to_string(),
        value: show(&resolved.value),
        layer: resolved.layer,
        shadowed: shadowed.collect(),
        editable: resolved.policy.lock.is_none(),
        lock: resolved.policy.lock,
        bounds: (*bounds != Bounds::default()).then(|| bounds.into()),
    }
}
