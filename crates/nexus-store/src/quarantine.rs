//! Documents that cannot be read: each hides only itself. Lists leave it out and name it, and an
//! administrator can look at all of them and delete them.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Erased, StoreError};

/// A collection, or a table, in which a document may be unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collection {
    /// Registered keys.
    Identities,
    /// Conversations.
    Messages,
    /// Who is signed in.
    Sessions,
    /// Keys for programs.
    ApiKeys,
    /// How much was used.
    Usage,
    /// Versions of the template.
    Configurations,
    /// What was done.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected identities, messages, sessions, api_keys, usage, configurations or audit")]
pub struct UnknownCollection;

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Where it is.
    pub collection: Collection,
    /// Its name in the database, by which it can be deleted.
    pub id: String,
    /// What it is, such as `identity 0xsomebody`.
    pub what: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A part of a collection that was looked through.
#[derive(Clone, Debug, Default)]
pub struct UnreadablePage {
    /// What cannot be read of it.
    pub unreadable: Vec<Unreadable>,
    /// How many documents were looked at.
    pub looked_at: u64,
    /// Where the rest begins. Means something to the store that made it. `None`: this was the last
    /// part.
    pub next: Option<String>,
}

/// Documents that cannot be read.
#[async_trait]
pub trait QuarantineStore: Send + Sync {
    /// Looks through the next `limit` documents of a collection after `after`. A `limit` of 0
    /// counts as 1.
    async fn unreadable(
        &self,
        collection: Collection,
        after: Option<String>,
        limit: u32,
    ) -> Result<UnreadablePage, StoreError>;

    /// Deletes the document with this id if it cannot be read; an identity with everything that
    /// belongs to it. `None`: there is no such document, it can be read, or nothing is ever deleted
    /// of its collection.
    async fn delete_unreadable(
        &self,
        collection: Collection,
        id: String,
    ) -> Result<Option<Erased>, StoreError>;
}

/// What one document gave: itself, or why it cannot be read.
pub(crate) type Found<T> = Result<T, Unreadable>;

/// Tells a document that cannot be read from a store that cannot be asked.
pub(crate) fn found<T>(
    read: Result<T, StoreError>,
    collection: Collection,
    id: impl FnOnce() -> String,
) -> Result<Found<T>, StoreError> {
    match read {
        Ok(document) => Ok(Ok(document)),
        Err(StoreError::Corrupt { what, reason }) => {
            let id = id();
            tracing::debug!(%collection, id, what, reason, "a document cannot be read");
            Ok(Err(Unreadable {
                collection,
                id,
                what,
                reason,
            }))
        }
        Err(error) => Err(error),
    }
}

/// What can be read, and what cannot.
pub(crate) fn sorted<T>(found: impl IntoIterator<Item = Found<T>>) -> (Vec<T>, Vec<Unreadable>) {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    for document in found {
        match document {
            Ok(document) => readable.push(document),
            Err(document) => unreadable.push(document),
        }
    }
    (readable, unreadable)
}

/// The bytes of hexadecimal digits.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| {
        let byte = (digit(*high)? << 4) | digit(*low)?;
        u8::try_from(byte).ok()
    });
    bytes.collect::<Option<_>>().filter(|_| rest.is_empty())
}
