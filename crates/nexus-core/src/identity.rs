//! Who is registered, and who of them is a member.

use std::ops::Deref;
use std::sync::Arc;

use chrono_tz::Tz;
pub use nexus_api::identity::Standing;
use serde_json::{Map, Value, json};

use crate::{Overrides, PublicKey, Timestamp};

/// The key of the owner's time zone in the metadata of an identity.
pub const TIME_ZONE: &str = "time_zone";

/// A registered key and what it changed.
///
/// Values come only from a store. To hold one is the proof of registration: what is stored for an
/// owner takes an `&Identity`, so that for a visitor it does not compile. What happens for members
/// only takes a [`Member`].
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The address.
    pub public_key: PublicKey,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Whether this person is let in.
    pub standing: Standing,
    /// Whether this person may change what belongs to the installation.
    pub is_admin: bool,
    /// What this person changed.
    pub overrides: Overrides,
    /// Anything else that was stored with it.
    pub metadata: Map<String, Value>,
    /// Counts the writes to this identity: a write names the version that it was decided on.
    pub version: u64,
}

impl Identity {
    /// The time zone of the owner, if a usable one is stored.
    #[must_use]
    pub fn time_zone(&self) -> Option<Tz> {
        self.metadata.get(TIME_ZONE)?.as_str()?.trim().parse().ok()
    }

    /// All of it, as its owner and whoever is at the machine see it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let overrides = self.overrides.iter();
        let overrides: Map<_, _> = overrides
            .map(|(field, value)| (field.to_string(), value))
            .collect();
        json!({
            "public_key": self.public_key,
            "created_at": self.created_at,
            "standing": self.standing,
            "is_admin": self.is_admin,
            "overrides": overrides,
            "metadata": self.metadata,
        })
    }
}

/// A change to an identity that is not its owner's to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityWrite {
    /// Lets this person in, or not.
    Standing(Standing),
    /// Makes this person an administrator, or not.
    Admin(bool),
}

/// An identity that is let in. Only [`Admission::of`] makes one, so that a function which takes it
/// cannot be called for anybody else.
#[derive(Clone, Debug, PartialEq)]
pub struct Member(Arc<Identity>);

impl Deref for Member {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

/// What the gate says about a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// No identity: guidance only, nothing stored, no model called.
    Visitor,
    /// Registered, and waiting for an administrator. Nothing stored, no model called.
    Pending,
    /// Registered, and locked out by an administrator. Nothing stored, no model called.
    Disabled,
    /// Registered, but the stored document cannot be parsed, so its status is unknown. Nothing stored,
    /// no model called.
    Unreadable,
    /// A registered identity in good standing.
    Member(Member),
}

impl Admission {
    /// Decides about what a store knows of a key.
    #[must_use]
    pub fn of(identity: Option<Arc<Identity>>) -> Self {
        match identity {
            None => Self::Visitor,
            Some(identity) => match identity.standing {
                Standing::Active => Self::Member(Member(identity)),
                Standing::Pending => Self::Pending,
                Standing::Disabled => Self::Disabled,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_active_identity_is_a_member() {
        let identity = |standing| {
            Arc::new(Identity {
                public_key: PublicKey::from_bytes([1; 20]),
                created_at: Timestamp::default(),
                standing,
                is_admin: true,
                overrides: Overrides::default(),
                metadata: Map::new(),
                version: 1,
            })
        };
        let admit = |standing| Admission::of(Some(identity(standing)));
        assert_eq!(Admission::of(None), Admission::Visitor);
        assert_eq!(admit(Standing::Pending), Admission::Pending);
        assert_eq!(admit(Standing::Disabled), Admission::Disabled);
        assert!(matches!(admit(Standing::Active), Admission::Member(_)));
    }

    #[test]
    fn a_standing_has_one_spelling() {
        for standing in Standing::ALL {
            assert_eq!(Standing::parse(standing.as_str()), Some(standing));
            let json = serde_json::to_value(standing).unwrap();
            assert_eq!(json, standing.as_str());
        }
        assert_eq!(Standing::parse("Active"), None);
    }
}
