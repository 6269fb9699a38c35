//! `GET /api/v1/admin/audit`: what was done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::quarantine::Unreadable;
use chrono::{DateTime, Utc};

/// The parameters of `GET /api/v1/admin/audit`.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// The number of the entry that the page comes after.
    #[serde(default)]
    pub after: u64,
    /// The page size; 100 if left out.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
}

/// A page of the audit.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct AuditPage {
    /// In the order of the chain.
    pub entries: Vec<AuditEntry>,
    /// Those between them that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// `after` for the next page. `null`: these were the last.
    #[schema(required = true)]
    pub next_after: Option<u64>,
}

/// One entry of the audit, whole: its hash can be computed again.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its number: 1 for the first.
    pub seq: u64,
    /// The time of the action.
    pub at: DateTime<Utc>,
    /// An address, `local:` and a user of the machine, or `system`.
    pub actor: String,
    /// A command, such as `config.set`, or what an administrator did.
    pub action: String,
    /// The target of the action.
    pub target: String,
    /// The fields that changed, by name.
    pub details: BTreeMap<String, AuditChange>,
    /// The signature that came with it.
    #[schema(required = true)]
    pub signature: Option<String>,
    /// The hash of the entry before, in hexadecimal.
    pub previous: String,
    /// The hash of this entry, in hexadecimal.
    pub hash: String,
}

/// The hashes of a value before and after a change. `null`: there was none.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct AuditChange {
    /// Before.
    #[schema(required = true)]
    pub before: Option<String>,
    /// After.
    #[schema(required = true)]
    pub after: Option<String>,
}
