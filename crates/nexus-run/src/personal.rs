//! What is in force for one person. How it is changed: [`Commands`](crate::Commands).

use nexus_core::profile::LayerValues;
use nexus_core::{EffectiveProfile, Genesis, Identity};

/// What is in force for a person, when a request adds nothing.
#[must_use]
pub fn profile(genesis: &Genesis, identity: &Identity) -> EffectiveProfile {
    EffectiveProfile::resolve(genesis, &[LayerValues::identity(&identity.overrides)])
}
