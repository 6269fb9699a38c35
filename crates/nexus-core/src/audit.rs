//! The audit: what was changed, by whom, and the proof that nobody rewrote it.
//!
//! Every entry holds the hash of the one before it, so that a changed, missing, swapped or inserted
//! entry breaks the chain. Entries at the end can be taken away unseen, unless somebody kept the
//! hash of the last one elsewhere.

mod actor;
mod chain;
mod detail;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{Label, Timestamp};

pub use self::actor::{Actor, ActorError};
pub use self::chain::{BrokenAt, Chain, Damage, verify};
pub use self::detail::{Change, Details};

/// A SHA-256: of an entry, or of a value that was changed. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditHash([u8; 32]);

impl AuditHash {
    /// What the first entry has in place of the hash of the one before it.
    pub const NONE: Self = Self([0; 32]);

    /// The hash with these bytes, as a store read them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of the one spelling that RFC 8785 (<https://www.rfc-editor.org/rfc/rfc8785>) gives
    /// to this value.
    fn of(value: &serde_json::Value) -> Self {
        // It fails for what JSON has no spelling for, and a `Value` holds nothing of that kind.
        let text = serde_jcs::to_vec(value).unwrap_or_default();
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex::write(f, &self.0)
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AuditHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuditHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The text is not an [`AuditHash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits in lower case")]
pub struct AuditHashError;

impl FromStr for AuditHash {
    type Err = AuditHashError;

    fn from_str(text: &str) -> Result<Self, AuditHashError> {
        crate::hex::decode(text).map(Self).ok_or(AuditHashError)
    }
}

/// The end of the chain, as far as somebody knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The number of the last entry.
    pub seq: u64,
    /// Its hash.
    pub hash: AuditHash,
}

/// One thing that was done. Nothing but a store makes one, from a [`NewAudit`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Serialize, Deserialize))]
pub struct AuditEntry {
    /// 1 for the first, then one more each time.
    pub seq: u64,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done, such as `config.set`.
    pub action: Label,
    /// What it was done to: an address, the id of a key, the environment of a template.
    pub target: Label,
    /// What was different after.
    pub details: Details,
    /// The signature that the command came with, as it was sent, if it needed one.
    pub signature: Option<String>,
    /// The hash of the entry before. [`AuditHash::NONE`] in the first.
    pub previous: AuditHash,
    /// The hash of all of the above: SHA-256 of its RFC 8785 form.
    pub hash: AuditHash,
}

impl From<AuditEntry> for nexus_api::audit::AuditEntry {
    fn from(entry: AuditEntry) -> Self {
        let details = entry.details.into_iter();
        Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor.into(),
            action: entry.action.into(),
            target: entry.target.into(),
            details: details.map(|(name, it)| (name, it.into())).collect(),
            signature: entry.signature,
            previous: entry.previous.to_string(),
            hash: entry.hash.to_string(),
        }
    }
}

impl From<Change> for nexus_api::audit::AuditChange {
    fn from(change: Change) -> Self {
        Self {
            before: change.before.map(|hash| hash.to_string()),
            after: change.after.map(|hash| hash.to_string()),
        }
    }
}

impl AuditEntry {
    /// Where the chain ends if this is the last entry.
    #[must_use]
    pub const fn head(&self) -> AuditHead {
        AuditHead {
            seq: self.seq,
            hash: self.hash,
        }
    }

    /// What the hash of this entry must be.
    fn expected_hash(&self) -> AuditHash {
        AuditHash::of(&json!({
            "seq": self.seq,
            // Milliseconds are what every store keeps.
            "at": self.at.timestamp_millis(),
            "actor": self.actor,
            "action": self.action,
            "target": self.target,
            "details": self.details,
            "signature": self.signature,
            "previous": self.previous,
        }))
    }
}

/// Something to put on record. Its place in the chain is for the store to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done, such as `config.set`.
    pub action: Label,
    /// What it was done to.
    pub target: Label,
    /// What was different after.
    pub details: Details,
    /// The signature that the command came with, if it needed one.
    pub signature: Option<String>,
}

impl NewAudit {
    /// The entry that this becomes after `head`. `None`: it is the first.
    #[must_use]
    pub fn after(self, head: Option<AuditHead>) -> AuditEntry {
        let mut entry = AuditEntry {
            seq: head.map_or(1, |head| head.seq.saturating_add(1)),
            at: self.at,
            actor: self.actor,
            action: self.action,
            target: self.target,
            details: self.details,
            signature: self.signature,
            previous: head.map_or(AuditHash::NONE, |head| head.hash),
            hash: AuditHash::NONE,
        };
        entry.hash = entry.expected_hash();
        entry
    }
}
