//! `/api/v1/admin/quarantine`: the documents that cannot be read.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A collection, or a table, in which a document may be unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Collection {
    /// Registered keys.
    #[default]
    Identities,
    /// Conversations.
    Messages,
    /// Sessions.
    Sessions,
    /// Keys for programs.
    ApiKeys,
    /// Usage.
    Usage,
    /// Versions of the template.
    Configurations,
    /// The audit.
    Audit,
}

impl Collection {
    /// All of them, the ones that people notice first.
    pub const ALL: [Self; 7] = [
        Self::Identities,
        Self::Messages,
        Self::Sessions,
        Self::ApiKeys,
        Self::Usage,
        Self::Configurations,
        Self::Audit,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identities => "identities",
            Self::Messages => "messages",
            Self::Sessions => "sessions",
            Self::ApiKeys => "api_keys",
            Self::Usage => "usage",
            Self::Configurations => "configurations",
            Self::Audit => "audit",
        }
    }

    /// Returns whether documents of it may be deleted. The audit and the versions of the template
    /// are a history, which is never changed.
    #[must_use]
    pub const fn is_deletable(self) -> bool {
        !matches!(self, Self::Configurations | Self::Audit)
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Collection {
    type Err = UnknownCollection;

    fn from_str(text: &str) -> Result<Self, UnknownCollection> {
        let mut all = Self::ALL.into_iter();
        all.find(|it| it.as_str() == text).ok_or(UnknownCollection)
    }
}

/// A name that no collection has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCollection;

impl fmt::Display for UnknownCollection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected identities, messages, sessions, api_keys, usage, configurations or audit",
        )
    }
}

impl Error for UnknownCollection {}

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unreadable {
    /// Its collection.
    pub collection: Collection,
    /// Its name in the database, by which it can be deleted.
    pub id: String,
    /// A name for people, such as `identity 0xsomebody`.
    pub what: String,
    /// The defect.
    pub reason: String,
}

/// The parameters of `GET /api/v1/admin/quarantine`.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuarantineQuery {
    /// The collection to look through; `identities` if left out.
    #[serde(default)]
    pub collection: Collection,
    /// `next_after` of the page before.
    pub after: Option<String>,
}

/// A part of a collection that was looked through.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct QuarantinePage {
    /// The collection.
    pub collection: Collection,
    /// The unreadable documents.
    pub unreadable: Vec<Unreadable>,
    /// The number of documents that were looked at.
    pub looked_at: u64,
    /// `after` for the next part of this collection. `null`: this was the last.
    #[schema(required = true)]
    pub next_after: Option<String>,
}
