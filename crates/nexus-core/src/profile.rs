//! The merge: layers of values, weak to strong, become one profile that can say where each value
//! came from. This is the only resolver. Chat, settings page, `explain` and command line call it.

mod explain;
mod fallback;
mod notice;
mod resolve;

use std::sync::Arc;

use crate::policy::{Policies, Policy};
use crate::{Genesis, Model, Overrides, PromptName, ToolName};

pub use nexus_api::profile::{Layer, ProfileField, Shadowed};

pub use fallback::Fallback;
pub use notice::Notice;

/// What one layer above the template brings.
#[derive(Clone, Copy, Debug)]
pub struct LayerValues<'a> {
    /// Which layer.
    pub layer: Layer,
    /// What it sets.
    pub values: &'a Overrides,
    /// What it forbids the personal layers, beside what the template forbids.
    pub policies: Option<&'a Policies>,
}

impl<'a> LayerValues<'a> {
    /// What a person changed.
    #[must_use]
    pub const fn identity(values: &'a Overrides) -> Self {
        Self {
            layer: Layer::Identity,
            values,
            policies: None,
        }
    }

    /// What a request asks for.
    #[must_use]
    pub const fn request(values: &'a Overrides) -> Self {
        Self {
            layer: Layer::Request,
            values,
            policies: None,
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved<T> {
    /// The value in force.
    pub value: T,
    /// The layer that set it.
    pub layer: Layer,
    /// What weaker layers had set, strong to weak.
    pub shadowed: Vec<(Layer, T)>,
    /// The lock and the limits that applied.
    pub policy: Arc<Policy>,
}

/// A block of the system prompt, as it is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedPrompt {
    /// Its name.
    pub name: PromptName,
    /// Its text; empty when it was removed.
    pub text: Resolved<Arc<str>>,
}

/// Everything that a run needs to know about a person's wishes, and why it is so.
#[derive(Clone, Debug)]
pub struct EffectiveProfile {
    /// Who answers.
    pub model: Resolved<Arc<Model>>,
    /// Sampling temperature. `None` leaves it to the provider.
    pub temperature: Resolved<Option<f64>>,
    /// The longest answer, in tokens. `None` leaves it to the provider.
    pub max_tokens: Resolved<Option<u32>>,
    /// How many earlier messages the model is shown.
    pub history_context_size: Resolved<u32>,
    /// What the model may call, by name.
    pub tools: Resolved<Arc<[ToolName]>>,
    /// The prompt blocks, in the order in which they are joined.
    pub prompts: Vec<ResolvedPrompt>,
    /// The joined blocks. Empty: no system prompt at all.
    pub system_prompt: Arc<str>,
    /// What was asked for and not done, or done differently.
    pub notices: Vec<Notice>,
    /// The version of the template that this was resolved with.
    pub template_version: u64,
}

impl EffectiveProfile {
    /// Merges `layers`, ordered weak to strong, onto the template.
    ///
    /// Pure and total: the same input gives the same profile, and every input gives one. What
    /// cannot be honoured is ignored or brought within its limits, with a [`Notice`].
    #[must_use]
    pub fn resolve(genesis: &Genesis, layers: &[LayerValues<'_>]) -> Self {
        resolve::resolve(genesis, layers)
    }
}
