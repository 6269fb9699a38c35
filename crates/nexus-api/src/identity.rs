//! `/api/v1/identity` and `/api/v1/admin/identities`: who is registered.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::quarantine::Unreadable;
use chrono::{DateTime, Utc};

/// The standing of a registered person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Yes. What was stored before there were standings is active.
    #[default]
    Active,
    /// Not yet: an administrator decides.
    Pending,
    /// Not any more: an administrator decided.
    Disabled,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Disabled];

    /// The stored spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Disabled => "disabled",
        }
    }

    /// The standing with this spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.as_str() == text)
    }
}

/// `POST /api/v1/identity`: what became of a registration.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Registered {
    /// The address.
    pub public_key: String,
    /// `true` if this request registered it.
    pub created: bool,
    /// The person's standing.
    pub standing: Standing,
}

/// The number of each kind that were erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erased {
    /// 1, or 0 when the key was not registered.
    pub identities: u64,
    /// Its messages.
    pub messages: u64,
    /// Its sessions.
    pub sessions: u64,
    /// Its API keys.
    pub api_keys: u64,
    /// Its usage: one row for each model and day.
    pub usage: u64,
    /// Its counters of limits.
    pub counters: u64,
    /// The identity was disabled, and its key stays so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays_disabled: bool,
}

/// The parameters of `GET /api/v1/admin/identities`.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IdentityQuery {
    /// Only those of this standing.
    pub standing: Option<Standing>,
    /// `next_after` of the page before.
    pub after: Option<String>,
    /// The page size; 100 if left out.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
}

/// `GET /api/v1/admin/identities`: a page of identities.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct IdentityPage {
    /// In the order of their keys.
    pub identities: Vec<Identity>,
    /// Those between them that cannot be read: `/api/v1/admin/quarantine` deletes them.
    #[serde(default)]
    pub unreadable: Vec<Unreadable>,
    /// `after` for the next page. `null`: these were the last.
    #[schema(required = true)]
    pub next_after: Option<String>,
    /// The number of all of them.
    pub counts: StandingCounts,
}

/// A person, as administrators see them.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Identity {
    /// The address.
    pub public_key: String,
    /// The person's standing.
    pub standing: Standing,
    /// `true` for an administrator.
    pub is_admin: bool,
    /// The time of registration.
    pub created_at: DateTime<Utc>,
}

/// The number of identities of each standing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct StandingCounts {
    /// Let in. As far as can be told quickly.
    pub active: u64,
    /// Waiting for an administrator.
    pub pending: u64,
    /// Locked out.
    pub disabled: u64,
}

/// `PUT /api/v1/admin/identities/{key}`: the decision about a person.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingChange {
    /// The new standing.
    pub standing: Decision,
}

/// A standing that an administrator may give. Nobody is sent back to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Let in.
    Active,
    /// Locked out, and signed out everywhere.
    Disabled,
}
