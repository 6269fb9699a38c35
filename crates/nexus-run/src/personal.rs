//! Reading and changing what one person set. Command line and HTTP go through here.

use nexus_core::policy::Refusal;
use nexus_core::profile::LayerValues;
use nexus_core::{EffectiveProfile, Field, Genesis, Identity, OverrideWrite, Overrides, PublicKey};
use nexus_store::{Store, StoreError};
use serde_json::Value;

use crate::error::RunError;

/// How often a write is decided again when somebody else wrote in between.
const ATTEMPTS: usize = 5;

/// What is in force for a person, when a request adds nothing.
#[must_use]
pub fn profile(genesis: &Genesis, identity: &Identity) -> EffectiveProfile {
    EffectiveProfile::resolve(genesis, &[LayerValues::identity(&identity.overrides)])
}

/// Sets one field of one person.
///
/// # Errors
/// When policy refuses the value, the key is not registered, or the store cannot.
pub async fn set(
    store: &dyn Store,
    genesis: &Genesis,
    key: PublicKey,
    field: &Field,
    value: &Value,
) -> Result<Identity, RunError> {
    let write = Overrides::set(genesis, field, value)
        .map_err(|refusal: Refusal| RunError::Refused(refusal))?;
    apply(store, key, &write).await
}

/// Goes back to inheriting one field of one person.
///
/// # Errors
/// When the key is not registered or the store cannot.
pub async fn unset(store: &dyn Store, key: PublicKey, field: &Field) -> Result<Identity, RunError> {
    apply(store, key, &Overrides::unset(field)).await
}

async fn apply(
    store: &dyn Store,
    key: PublicKey,
    write: &OverrideWrite,
) -> Result<Identity, RunError> {
    for _ in 0..ATTEMPTS {
        let identity = store.identity(key).await?.ok_or(RunError::NotAMember)?;
        match store.write_override(&identity, write).await {
            Err(StoreError::Conflict { .. }) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(RunError::Busy)
}
