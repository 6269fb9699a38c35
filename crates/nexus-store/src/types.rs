//! What is asked of a store, and what it answers.

use nexus_core::genesis::GenesisDoc;
use nexus_core::{Environment, Identity, Message, Timestamp};
use serde::Serialize;

/// One accepted version of the template.
#[derive(Clone, Debug)]
pub struct StoredTemplate {
    /// Which environment it is for.
    pub environment: Environment,
    /// 1 for the first, then one more each time.
    pub version: u64,
    /// The document.
    pub doc: GenesisDoc,
    /// Who stored it.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
    /// [`GenesisDoc::hash`] of the document as it was stored. When it differs from the document's
    /// own, somebody edited the database by hand.
    pub hash: String,
}

/// One accepted version of the template, without its document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TemplateVersion {
    /// 1 for the first, then one more each time.
    pub version: u64,
    /// Who stored it.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
    /// [`GenesisDoc::hash`] of the document as it was stored.
    pub hash: String,
}

impl From<&StoredTemplate> for TemplateVersion {
    fn from(stored: &StoredTemplate) -> Self {
        Self {
            version: stored.version,
            author: stored.author.clone(),
            created_at: stored.created_at,
            hash: stored.hash.clone(),
        }
    }
}

/// A template to store.
#[derive(Clone, Debug)]
pub struct NewTemplate {
    /// Which environment it is for.
    pub environment: Environment,
    /// The document.
    pub doc: GenesisDoc,
    /// Who stores it.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
}

/// What became of a registration.
#[derive(Clone, Debug)]
pub struct Created {
    /// The identity, new or not.
    pub identity: Identity,
    /// Whether it is new.
    pub is_new: bool,
}

/// A page of identities.
#[derive(Clone, Debug)]
pub struct IdentityPage {
    /// In the order of their keys.
    pub identities: Vec<Identity>,
    /// Whether there are more after these.
    pub has_more: bool,
}

/// A place in an owner's messages. Means something to the store that made it, and to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub i64);

/// A page of messages.
#[derive(Clone, Debug)]
pub struct MessagePage {
    /// Newest first.
    pub messages: Vec<Message>,
    /// Where the next, older page begins. `None`: these were the oldest.
    pub next: Option<Cursor>,
}

/// What an erasure removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// 1, or 0 when the key was not registered.
    pub identities: u64,
    /// Its messages.
    pub messages: u64,
    /// Its sessions.
    pub sessions: u64,
}

/// What a store is, for people.
#[derive(Clone, Debug)]
pub struct StoreFacts {
    /// Such as `embedded (SQLite 3.54.1)`.
    pub kind: String,
    /// Where the data lives.
    pub location: String,
    /// How many identities.
    pub identities: u64,
    /// How many messages, as far as can be told quickly.
    pub messages: u64,
}
