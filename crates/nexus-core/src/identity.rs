//! Who is a member and who is a visitor.

use serde_json::{Map, Value};

use crate::{Overrides, PublicKey, Timestamp};

/// A registered key and what it changed.
///
/// Values come only from a store. To hold one is the proof of membership: what may happen for
/// members only takes an `&Identity`, so that for a visitor it does not compile.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The address.
    pub public_key: PublicKey,
    /// When it was registered.
    pub created_at: Timestamp,
    /// What this person changed.
    pub overrides: Overrides,
    /// Anything else that was stored with it.
    pub metadata: Map<String, Value>,
    /// Counts the writes to this identity: a write names the version that it was decided on.
    pub version: u64,
}

/// What the gate says about a key.
#[derive(Clone, Debug)]
pub enum Admission<T> {
    /// No identity: guidance only, nothing stored, no model called.
    Visitor,
    /// A registered identity.
    Member(T),
}
