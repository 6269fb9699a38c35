//! The effect of a new template, told before it is stored.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::profile::Lock;

/// The effect of a new template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// The places of the document.
    pub document: Vec<DocumentChange>,
    /// The changes of permissions and of signatures. Empty also when there is no usable template to
    /// compare with.
    pub policy: Vec<PolicyChange>,
    /// The changes for people. `null`: there is no usable template to compare with.
    #[schema(required = true)]
    pub people: Option<PeopleChange>,
}

impl Plan {
    /// Returns whether nothing changes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let nobody = |people: &PeopleChange| people.changed == 0 && people.refused == 0;
        self.document.is_empty() && self.people.as_ref().is_none_or(nobody)
    }
}

/// One place where two documents differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentChange {
    /// The place: a JSON Pointer (RFC 6901).
    pub pointer: String,
    /// The former value, in a few words. Absent: nothing.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub before: Option<Value>,
    /// The new value, in a few words. Absent: nothing.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub after: Option<Value>,
}

/// One rule that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum PolicyChange {
    /// People may change a field that they could not.
    Unlocked {
        /// The field.
        field: String,
    },
    /// People may not change a field any more.
    Locked {
        /// The field.
        field: String,
        /// The reason.
        lock: Lock,
    },
    /// Other values of a setting are allowed.
    Bounds {
        /// The field.
        field: String,
        /// The former bounds, in words.
        before: String,
        /// The new bounds, in words.
        after: String,
    },
    /// A command needs a signature that it did not need.
    SignatureNeeded {
        /// The command.
        command: String,
    },
    /// A command needs no signature any more. One of the built-in list never loses it.
    SignatureNotNeeded {
        /// The command.
        command: String,
    },
}

impl fmt::Display for PolicyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlocked { field } => write!(f, "{field}: people may change it from then on"),
            Self::Locked { field, lock } => {
                let reason = lock.reason();
                write!(f, "{field}: people may not change it any more; {reason}")
            }
            Self::Bounds {
                field,
                before,
                after,
            } => write!(f, "{field}: {before} becomes {after}"),
            Self::SignatureNeeded { command } => write!(f, "{command}: needs a signature"),
            Self::SignatureNotNeeded { command } => {
                write!(f, "{command}: needs no signature any more")
            }
        }
    }
}

/// The changes of a new template for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeopleChange {
    /// The number of identities that were looked at.
    pub read: u64,
    /// `true` if there are more, which were not looked at.
    pub has_more: bool,
    /// The number of them that get another profile.
    pub changed: u64,
    /// The counts, by field.
    pub changed_fields: BTreeMap<String, u64>,
    /// The first of them.
    pub changed_examples: Vec<ChangedProfile>,
    /// The number of stored overrides that are in force now and would be refused.
    pub refused: u64,
    /// The number of their owners.
    #[serde(default)]
    #[schema(required = true)]
    pub refused_people: u64,
    /// The counts, by field.
    #[serde(default)]
    #[schema(required = true)]
    pub refused_fields: BTreeMap<String, u64>,
    /// The first of them.
    pub refused_examples: Vec<RefusedOverride>,
}

/// A person who would get another profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangedProfile {
    /// The address.
    pub public_key: String,
    /// The fields that would change.
    pub changes: Vec<FieldChange>,
}

/// A field that would have another value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// `config.NAME` or `prompts.NAME`; `prompts` for their order.
    pub field: String,
    /// The value in force, in a few words. Absent: there is no such field. `null`: left to the
    /// provider.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub before: Option<Value>,
    /// The value that would be in force.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub after: Option<Value>,
}

/// A stored override that would lose its effect. It stays stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefusedOverride {
    /// The address of its owner.
    pub public_key: String,
    /// The field.
    pub field: String,
    /// The stored value, for settings. The words of a prompt are their owner's.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub value: Option<Value>,
    /// The code of the refusal, such as `unknown_model` or `field_locked`.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// The reason, for people.
    pub reason: String,
}

/// `null` is a value: only what is absent is nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
