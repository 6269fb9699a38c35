//! Who may answer in place of the chosen model, and with which parameters.

use std::sync::Arc;

use super::resolve::count;
use super::{EffectiveProfile, Layer, Resolved};
use crate::policy::Policy;
use crate::{Genesis, Model};

/// A model that answers when the chosen one cannot.
#[derive(Clone, Debug)]
pub struct Fallback {
    /// The model.
    pub model: Arc<Model>,
    /// Sampling temperature. `None` leaves it to the provider.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens. `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
}

impl EffectiveProfile {
    /// The fallbacks of the chosen model that this person may use, in order. What somebody set holds
    /// for them too; what only the catalog row of the chosen model set is replaced by their own.
    pub fn fallbacks<'a>(&'a self, genesis: &'a Genesis) -> impl Iterator<Item = Fallback> + 'a {
        let names = self.model.value.fallbacks.iter();
        let models = names.filter_map(|name| genesis.model(name));
        let bounds = &self.model.policy.bounds;
        models
            .filter(|model| bounds.admits_model(&model.name))
            .map(|model| self.fallback(model))
    }

    fn fallback(&self, model: &Arc<Model>) -> Fallback {
        let own = model.default_params;
        let temperature = &self.temperature;
        let max_tokens = &self.max_tokens;
        Fallback {
            model: Arc::clone(model),
            temperature: if is_anybodys(temperature) {
                temperature.value
            } else {
                within(&temperature.policy, own.temperature)
            },
            max_tokens: if is_anybodys(max_tokens) {
                max_tokens.value
            } else {
                within(&max_tokens.policy, own.max_tokens.map(f64::from)).map(count)
            },
        }
    }
}

/// Whether a value was set for more than one model.
fn is_anybodys<T>(resolved: &Resolved<T>) -> bool {
    resolved.layer > Layer::Catalog
}

fn within(policy: &Policy, number: Option<f64>) -> Option<f64> {
    let number = number?;
    if policy.bounds.admits_number(number) {
        Some(number)
    } else {
        policy.bounds.nearest(number)
    }
}
