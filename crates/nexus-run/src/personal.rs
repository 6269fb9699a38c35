//! Reading and changing what one person set. Command line and HTTP go through here.

use std::sync::Arc;

use nexus_core::policy::Refusal;
use nexus_core::profile::LayerValues;
use nexus_core::{
    Admission, EffectiveProfile, Field, Genesis, Identity, Member, OverrideWrite, Overrides,
    PublicKey,
};
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
/// When policy refuses the value, the key is not that of a member, or the store cannot.
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
/// When the key is not that of a member or the store cannot.
pub async fn unset(store: &dyn Store, key: PublicKey, field: &Field) -> Result<Identity, RunError> {
    apply(store, key, &Overrides::unset(field)).await
}

async fn apply(
    store: &dyn Store,
    key: PublicKey,
    write: &OverrideWrite,
) -> Result<Identity, RunError> {
    for _ in 0..ATTEMPTS {
        let member = member(store, key).await?;
        match store.write_override(&member, write).await {
            Err(StoreError::Conflict { .. }) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(RunError::Busy)
}

/// Whoever is let in, as the store knows it now.
async fn member(store: &dyn Store, key: PublicKey) -> Result<Member, RunError> {
    match Admission::of(store.identity(key).await?.map(Arc::new)) {
        Admission::Member(member) => Ok(member),
        Admission::Visitor => Err(RunError::NotAMember),
        Admission::Pending => Err(RunError::Pending),
        Admission::Disabled => Err(RunError::Disabled),
    }
}
