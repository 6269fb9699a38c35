//! Documents that cannot be read: each hides only itself. Lists leave it out and name it, and an
//! administrator can look at all of them and delete them.

use async_trait::async_trait;
pub use nexus_api::quarantine::{Collection, Unreadable};

use crate::{Erased, StoreError};

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
