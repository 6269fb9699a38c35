//! What Nexus keeps.
//!
//! Four narrow traits and [`Store`], which is all of them. "Not there" is `Ok(None)`, never an
//! error. A write has returned only when it would survive a crash of the machine.
//!
//! | module | what it holds |
//! |---|---|
//! | [`embedded`] | [`EmbeddedStore`]: one SQLite file, the default |
//! | `mongo` | `MongoStore`: a MongoDB database, for several nodes (feature `mongo`) |
//! | [`installation`] | all that a store keeps, as records to move to another store |
//! | [`error`] | [`StoreError`] |
//! | [`types`] | what is asked and answered: template versions, pages, counts |

pub mod embedded;
pub mod error;
pub mod installation;
#[cfg(feature = "mongo")]
pub mod mongo;
pub mod types;

use async_trait::async_trait;
use nexus_core::{
    Environment, Identity, Message, OverrideWrite, PublicKey, RunId, Session, Timestamp,
    TokenDigest,
};
use tokio::sync::watch;

pub use embedded::{EmbeddedStore, OpenError};
pub use error::StoreError;
#[cfg(feature = "mongo")]
pub use mongo::{
    Change, Concern, ConnectError, Findings, MongoInstallation, MongoOptions, MongoStore, Original,
};
pub use types::{
    Created, Cursor, Erased, IdentityPage, MessagePage, NewTemplate, StoreFacts, StoredTemplate,
    TemplateVersion,
};

/// The Genesis template, one current document per environment. Every version is kept.
#[async_trait]
pub trait ConfigStore: Send + Sync {
    /// The current version.
    async fn template(
        &self,
        environment: Environment,
    ) -> Result<Option<StoredTemplate>, StoreError>;

    /// One version, current or not.
    async fn template_version(
        &self,
        environment: Environment,
        version: u64,
    ) -> Result<Option<StoredTemplate>, StoreError>;

    /// The newest versions older than `before` (`None`: the newest of all), newest first, without
    /// their documents. A document that cannot be read is no reason to fail: it is not looked at.
    /// A `limit` of 0 counts as 1.
    async fn template_versions(
        &self,
        environment: Environment,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TemplateVersion>, StoreError>;

    /// Stores a new version if the current one is still `expected` (`None`: there is none yet).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not.
    async fn put_template(
        &self,
        new: NewTemplate,
        expected: Option<u64>,
    ) -> Result<StoredTemplate, StoreError>;
}

/// Registered keys and what each of them changed.
#[async_trait]
pub trait IdentityStore: Send + Sync {
    /// The identity of `key`.
    async fn identity(&self, key: PublicKey) -> Result<Option<Identity>, StoreError>;

    /// Registers `key`, or finds that it is registered.
    async fn create_identity(&self, key: PublicKey, at: Timestamp) -> Result<Created, StoreError>;

    /// A page of identities in the order of their keys, after `after`. A `limit` of 0 counts as 1.
    async fn identities(
        &self,
        after: Option<PublicKey>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError>;

    /// Changes one field of one identity, and nothing else of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the identity is gone or was changed since `identity` was read:
    /// the decision may not hold any more.
    async fn write_override(
        &self,
        identity: &Identity,
        write: &OverrideWrite,
    ) -> Result<Identity, StoreError>;

    /// Erases an identity and everything that belongs to it, and says how much that was.
    async fn erase_identity(&self, key: PublicKey) -> Result<Erased, StoreError>;
}

/// Conversations. Every method takes the owner: nobody can ask for somebody else's message.
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// Stores a message of `owner`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the identity was erased meanwhile, even if its key was
    /// registered again, or when the message's id is taken: nothing is stored of it.
    async fn append(&self, owner: &Identity, message: Message) -> Result<(), StoreError>;

    /// What a model is shown of the past: the newest `limit` messages of people and models with any
    /// text, outside run `except`, oldest first.
    async fn history(
        &self,
        owner: &Identity,
        limit: u32,
        except: &RunId,
    ) -> Result<Vec<Message>, StoreError>;

    /// A page of all messages, newest first, older than `before`. Pages are stable: a message that
    /// arrives meanwhile moves none. A `limit` of 0 counts as 1.
    async fn messages(
        &self,
        owner: &Identity,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError>;
}

/// Who may speak for which key.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a session. Its key need not be registered.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one with its digest.
    async fn create_session(&self, session: Session) -> Result<(), StoreError>;

    /// The session with this digest, live or not.
    async fn session(&self, digest: TokenDigest) -> Result<Option<Session>, StoreError>;
}

/// Everything that Nexus keeps.
#[async_trait]
pub trait Store: ConfigStore + IdentityStore + MessageStore + SessionStore {
    /// A number that grows whenever a template, an identity or a session may have changed, here or
    /// in another process. What was read before may be stale after; messages do not count.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// What and where it is, and how much is in it, for people.
    async fn facts(&self) -> Result<StoreFacts, StoreError>;

    /// Finishes what was begun and lets go of the outside. Nothing is asked of the store after it.
    async fn close(&self) {}
}
