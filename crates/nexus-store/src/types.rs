//! What is asked of a store, and what it answers.

use chrono::TimeDelta;
pub use nexus_api::identity::{Erased, StandingCounts};
pub use nexus_api::template::TemplateVersion;
use nexus_core::genesis::GenesisDoc;
use nexus_core::{
    AuditEntry, CounterId, Environment, Identity, Message, NodeId, PublicKey, Timestamp,
};

use crate::Unreadable;

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
    /// Those between them that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// What the next page comes after: a key, as it is stored. `None`: these were the last.
    pub next: Option<String>,
}

/// A place in an owner's messages. Means something to the store that made it, and to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub i64);

/// How many API keys of a person are kept that were taken back or have expired: the newest.
pub const ENDED_KEYS: u32 = 50;

/// How long a session is kept after its end.
pub const ENDED_SESSION: TimeDelta = TimeDelta::days(1);

/// The most text and metadata of a page of messages, in bytes. One message may be longer.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// A page of messages.
#[derive(Clone, Debug)]
pub struct MessagePage {
    /// Newest first.
    pub messages: Vec<Message>,
    /// Those between them that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Where the next, older page begins. `None`: these were the oldest.
    pub next: Option<Cursor>,
}

/// A page of the audit.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// In the order of the chain.
    pub entries: Vec<AuditEntry>,
    /// Those between them that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The number that the next page comes after. `None`: these were the last.
    pub next: Option<u64>,
}

/// Something that is counted until it does not matter any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name. A window of time has a counter of its own: none starts over.
    pub id: CounterId,
    /// Whose it is, if it is somebody's: it is erased with the identity.
    pub owner: Option<PublicKey>,
    /// From then on nobody asks for it.
    pub expires_at: Timestamp,
}

/// How many runs of somebody are under way on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Whose.
    pub owner: PublicKey,
    /// Where.
    pub node: NodeId,
    /// How many. 0 takes back what was told before.
    pub runs: u64,
    /// How long this holds if the node says nothing more.
    pub holds: TimeDelta,
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
    /// How it keeps what it was given.
    pub shape: Shape,
    /// What time the machine has that it runs on, if that may be another one.
    pub time: Option<Timestamp>,
}

/// How a store keeps what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// In a file of this machine.
    File,
    /// In one database that nobody copies.
    Standalone,
    /// In several databases that copy each other.
    Replicas {
        /// The name of the set.
        set: String,
        /// How many members have the data or will have it.
        members: usize,
        /// How many of them are up. `None`: the database does not tell this user.
        up: Option<usize>,
    },
    /// Spread over several such sets.
    Sharded,
}
