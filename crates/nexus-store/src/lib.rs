//! What Nexus keeps.
//!
//! Narrow traits and [`Store`], which is all of them. "Not there" is `Ok(None)`, never an
//! error. A write has returned only when it would survive a crash of the machine.
//!
//! | module | what it holds |
//! |---|---|
//! | [`embedded`] | [`EmbeddedStore`]: one SQLite file, the default |
//! | `mongo` | `MongoStore`: a MongoDB database, for several nodes (feature `mongo`) |
//! | [`installation`] | all that a store keeps, as records to move to another store |
//! | [`error`] | [`StoreError`] |
//! | [`lease`] | [`Lease`]: for how long what was read may be used |
//! | [`quarantine`] | [`Unreadable`]: documents that cannot be read |
//! | [`runs`] | [`RunStore`]: the runs in progress on all nodes |
//! | [`trust`] | the traits for API keys, nonces, the audit, usage and limits |
//! | [`types`] | what is asked and answered: template versions, pages, counts |

pub mod embedded;
pub mod error;
pub mod installation;
pub mod lease;
#[cfg(feature = "mongo")]
pub mod mongo;
pub mod quarantine;
pub mod runs;
pub mod trust;
pub mod types;

use async_trait::async_trait;
use nexus_core::{
    Environment, Identity, IdentityWrite, Message, MessageId, Metadata, OverrideWrite, PublicKey,
    RunId, Session, SessionId, Standing, Timestamp, TokenDigest,
};

pub use embedded::{EmbeddedStore, OpenError};
pub use error::StoreError;
pub use lease::{AsOf, Evictions, Lease, Purpose, Subject};
#[cfg(feature = "mongo")]
pub use mongo::{
    Change, Concern, ConnectError, Findings, MongoInstallation, MongoOptions, MongoStore, Original,
    UncheckedTemplate,
};
pub use quarantine::{Collection, QuarantineStore, Unreadable, UnreadablePage};
pub use runs::{ActiveRun, RunStore};
pub use trust::{
    API_KEY_KEPT, ApiKeyStore, AuditStore, CounterStore, InstallationStore, MAX_API_KEYS,
    NonceStore, RECENT_RUNS, UsageStore,
};
pub use types::{
    AuditPage, Counter, Created, Cursor, Erased, IdentityPage, MAX_PAGE_BYTES, MessagePage,
    NewTemplate, Running, Shape, StandingCounts, StoreFacts, StoredTemplate, TemplateVersion,
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

    /// Registers `key` with this standing, or finds that it is registered, whatever its standing.
    async fn create_identity(
        &self,
        key: PublicKey,
        standing: Standing,
        at: Timestamp,
    ) -> Result<Created, StoreError>;

    /// A page of identities in the order of their keys, after the end of another page. One that
    /// cannot be read is named in its place. A `limit` of 0 counts as 1.
    async fn identities(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError>;

    /// A page of the identities with this standing, as [`identities`](Self::identities) gives it.
    async fn identities_by_standing(
        &self,
        standing: Standing,
        after: Option<String>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError>;

    /// How many identities there are of each standing.
    async fn count_identities(&self) -> Result<StandingCounts, StoreError>;

    /// Changes what is not for the owner to change, and nothing else.
    ///
    /// # Errors
    /// As [`write_override`](Self::write_override).
    async fn write_identity(
        &self,
        identity: &Identity,
        write: IdentityWrite,
    ) -> Result<Identity, StoreError>;

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

    /// Erases an identity and everything that belongs to it, and says how much that was. What is
    /// on record in the audit stays: it names the key and holds no contents.
    async fn erase_identity(&self, key: PublicKey) -> Result<Erased, StoreError>;

    /// The same at the wish of its owner, who may be locked out. Then the key alone is kept, as
    /// disabled as before and with nothing else, as if it had been registered at `at`: nobody comes
    /// back by leaving. [`erase_identity`](Self::erase_identity) removes that too.
    async fn leave(&self, key: PublicKey, at: Timestamp) -> Result<Erased, StoreError>;
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
    /// text, outside run `except`, oldest first; without those among them that cannot be read.
    async fn history(
        &self,
        owner: &Identity,
        limit: u32,
        except: &RunId,
    ) -> Result<Vec<Message>, StoreError>;

    /// Stores a message of `owner` and gives the [history](Self::history) outside its run, as the
    /// two of them would. Where one fails, so does this, and the message may be stored.
    async fn append_and_recall(
        &self,
        owner: &Identity,
        message: Message,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let run = message.run_id.clone();
        let ((), history) = tokio::try_join!(
            self.append(owner, message),
            self.history(owner, limit, &run)
        )?;
        Ok(history)
    }

    /// Whether a message of `owner` is stored.
    async fn has_message(&self, owner: &Identity, id: &MessageId) -> Result<bool, StoreError>;

    /// Replaces the metadata of a message of `owner`, and nothing else of it. `false`: there is no such
    /// message.
    async fn set_metadata(
        &self,
        owner: &Identity,
        id: &MessageId,
        metadata: Metadata,
    ) -> Result<bool, StoreError>;

    /// Removes messages of `owner`, and says how many that were.
    async fn remove_messages(&self, owner: &Identity, ids: &[MessageId])
    -> Result<u64, StoreError>;

    /// A page of all messages, newest first, older than `before`. Pages are stable: a message that
    /// arrives meanwhile moves none. One that cannot be read is named. A page ends before it holds more
    /// than [`MAX_PAGE_BYTES`], but has at least one message. A `limit` of 0 counts as 1.
    async fn messages(
        &self,
        owner: &Identity,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError>;

    /// The same of the messages of one run only. Its places mean nothing among all messages.
    async fn run_messages(
        &self,
        owner: &Identity,
        run: &RunId,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError>;

    /// Where [all messages](Self::messages) begin that are older than this stored one. `None`: it is
    /// not there.
    async fn place(
        &self,
        owner: &Identity,
        message: &Message,
    ) -> Result<Option<Cursor>, StoreError>;
}

/// Who may speak for which key.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a session. Its key need not be registered.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one with its digest.
    async fn create_session(&self, session: Session) -> Result<(), StoreError>;

    /// The session with this digest, live or not. One that has ended may be gone after a while.
    async fn session(&self, digest: TokenDigest) -> Result<Option<Session>, StoreError>;

    /// All sessions of `owner` that can be read, live or not, newest first.
    async fn sessions(&self, owner: PublicKey) -> Result<Vec<Session>, StoreError>;

    /// Removes one session of `owner`. `false`: there is none with this name.
    async fn revoke_session(&self, owner: PublicKey, id: SessionId) -> Result<bool, StoreError>;

    /// Removes all sessions of `owner` but `except`, and says how many that were.
    async fn revoke_sessions(
        &self,
        owner: PublicKey,
        except: Option<TokenDigest>,
    ) -> Result<u64, StoreError>;

    /// Notes that a session was used at `at`, unless a later use is known. Of a session that is
    /// gone nothing is noted. It is no change: it [evicts](Store::evictions) nothing.
    /// How often this is worth a write is the caller's decision.
    async fn touch_session(&self, digest: TokenDigest, at: Timestamp) -> Result<(), StoreError>;
}

/// Everything that Nexus keeps.
#[async_trait]
pub trait Store:
    ConfigStore
    + IdentityStore
    + MessageStore
    + SessionStore
    + ApiKeyStore
    + InstallationStore
    + NonceStore
    + AuditStore
    + UsageStore
    + CounterStore
    + QuarantineStore
    + RunStore
{
    /// What may not be used any more of what was read of identities, sessions, API keys and
    /// templates. When a session or an API key was last used does not count as a change.
    fn evictions(&self) -> Evictions;

    /// The lease under which this node may answer. What is read after this returns includes
    /// everything that was acknowledged anywhere before the lease was asked for.
    ///
    /// # Errors
    /// When the store cannot prove that. Then there is no answer.
    async fn lease(&self, purpose: Purpose) -> Result<Lease, StoreError>;

    /// Removes some of what has no further use: sessions that expired a day ago, API keys that were
    /// revoked or expired [`API_KEY_KEPT`] ago, nonces and counters that expired an hour ago. Gives
    /// how many it removed; 0 when nothing is left, and where the database does it by itself.
    async fn purge(&self, at: Timestamp) -> Result<u64, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// What and where it is, and how much is in it, for people.
    async fn facts(&self) -> Result<StoreFacts, StoreError>;

    /// Finishes what was begun and lets go of the outside. Nothing is asked of the store after it.
    async fn close(&self) {}
}
