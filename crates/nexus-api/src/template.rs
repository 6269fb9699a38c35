//! `/api/v1/admin/template`: what everybody inherits, and what a change of it would do.

mod plan;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::Object;
use crate::quarantine::Unreadable;

pub use plan::{
    ChangedProfile, DocumentChange, FieldChange, PeopleChange, Plan, PolicyChange, RefusedOverride,
};

/// The set of defaults, and the database, that a server works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// A laptop, a test. May fall back to the emergency template.
    Development,
    /// The environment that people rely on.
    Production,
}

impl Environment {
    /// The stored spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `GET /api/v1/admin/template`: the stored template.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Template {
    /// The environment that it is for.
    pub environment: Environment,
    /// 0: there is none yet.
    pub version: u64,
    /// Its author.
    #[schema(required = true)]
    pub author: Option<String>,
    /// The time when it was stored.
    #[schema(required = true)]
    pub created_at: Option<DateTime<Utc>>,
    /// The SHA-256 of the document as it was stored.
    #[schema(required = true)]
    pub hash: Option<String>,
    /// Without keys that were written in clear.
    #[schema(required = true)]
    pub document: Option<Map<String, Value>>,
    /// The oddities in it.
    pub warnings: Vec<Problem>,
    /// The reasons why it cannot be used.
    pub problems: Vec<Problem>,
    /// The template in force on this node.
    pub health: TemplateHealth,
}

/// The template in force on one node.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TemplateHealth {
    /// Its version. `null`: nothing is in force.
    #[schema(required = true)]
    pub version: Option<u64>,
    /// `true` while the emergency template stands in.
    pub emergency: bool,
    /// The reasons why the stored one is not in force.
    pub problems: Vec<String>,
}

/// One thing that is wrong, or odd, in a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The place: a JSON Pointer (RFC 6901), such as `/llm/catalog/gemini-2.5-flash/provider`.
    pub pointer: String,
    /// The value that is there.
    pub found: String,
    /// The value that is expected.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(
            f,
            "{pointer}: found {}, expected {}",
            self.found, self.expected
        )
    }
}

/// `PUT /api/v1/admin/template`: a new document.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateChange {
    /// The whole new document.
    pub document: Object,
    /// The version that it was made from. 0: there was none.
    pub expected_version: u64,
}

/// The parameters of `PUT /api/v1/admin/template`.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TemplateChangeQuery {
    /// `true` for a plan only: nothing is stored.
    #[serde(default)]
    pub dry_run: bool,
}

/// The effect of a change of the template, made or planned.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TemplateChanged {
    /// The version that is stored now.
    pub version: u64,
    /// `true` if this request made it.
    pub changed: bool,
    /// The changes.
    pub plan: Plan,
    /// The oddities in the document.
    pub warnings: Vec<Problem>,
    /// Identities that the plan leaves out, because they cannot be read: the first 100.
    #[serde(default)]
    pub unreadable: Vec<Unreadable>,
}

/// One accepted version of the template, without its document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemplateVersion {
    /// 1 for the first, then one more each time.
    pub version: u64,
    /// Its author.
    pub author: String,
    /// The time when it was stored.
    pub created_at: DateTime<Utc>,
    /// The SHA-256 of the document as it was stored.
    pub hash: String,
}

/// The parameters of `GET /api/v1/admin/template/versions`.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VersionQuery {
    /// Only those older than this one.
    pub before: Option<u64>,
}

/// A page of versions, newest first.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct VersionPage {
    /// Newest first.
    pub versions: Vec<TemplateVersion>,
    /// `before` for the next page. `null`: these were the oldest.
    #[schema(required = true)]
    pub next_before: Option<u64>,
}

/// One accepted version with its document, without keys that were written in clear.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct VersionDetail {
    /// The environment that it is for.
    pub environment: Environment,
    /// The version.
    #[serde(flatten)]
    pub version: TemplateVersion,
    /// Its document.
    pub document: Map<String, Value>,
}
