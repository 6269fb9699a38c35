//! What is kept for trust: API keys, what was used once, what was done, how much was used.

use async_trait::async_trait;
use chrono::{NaiveDate, TimeDelta};
use nexus_core::auth::InstallationSecret;
use nexus_core::{
    ApiKey, ApiKeyId, AuditEntry, AuditHead, Identity, NewAudit, NonceId, PublicKey, RunId,
    Timestamp, Usage, UsageCount, UsageKey,
};

use crate::{AuditPage, Counter, Running, StoreError};

/// How many API keys that are live a person may have.
pub const MAX_API_KEYS: u32 = 50;

/// How long an API key is kept that was revoked or has expired, so that its owner sees what became
/// of it.
pub const API_KEY_KEPT: TimeDelta = TimeDelta::days(30);

/// How many runs of a person, a day and a model are known by name, the newest.
pub const RECENT_RUNS: u32 = 32;

/// Keys for programs.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Stores a key of `owner`. Of those that have ended, the newest
    /// [`ENDED_KEYS`](crate::types::ENDED_KEYS) are kept.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the identity was erased meanwhile, even if its key was
    /// registered again, when the key is somebody else's, or when its id is taken;
    /// [`StoreError::Full`] when the owner has [`MAX_API_KEYS`] live ones already, also when many are
    /// made at once.
    async fn create_api_key(&self, owner: &Identity, key: ApiKey) -> Result<(), StoreError>;

    /// The key with this id, live or not.
    async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// All keys of `owner` that can be read, live or not, newest first.
    async fn api_keys(&self, owner: PublicKey) -> Result<Vec<ApiKey>, StoreError>;

    /// Takes one key of `owner` back. It is kept for [`API_KEY_KEPT`], so that its owner sees what became of it.
    /// `false`: there is none with this id, or it was taken back before.
    async fn revoke_api_key(
        &self,
        owner: PublicKey,
        id: ApiKeyId,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Notes that a key was used at `at`, as [`touch_session`](crate::SessionStore::touch_session)
    /// does for a session.
    async fn touch_api_key(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError>;
}

/// What all nodes share.
#[async_trait]
pub trait InstallationStore: Send + Sync {
    /// The secret of the installation. If there is none yet, `candidate` becomes it; of several
    /// nodes that come at once, all get the same.
    async fn installation_secret(
        &self,
        candidate: InstallationSecret,
    ) -> Result<InstallationSecret, StoreError>;
}

/// What may be used once.
#[async_trait]
pub trait NonceStore: Send + Sync {
    /// Uses a nonce. `true`: for the first time; of many callers at once, on any node, one is told
    /// so. `false`: it was used before. What cannot be stored is an error and was not used, as far
    /// as the caller may know.
    ///
    /// A nonce is remembered for an hour longer than until `expires_at`, so that clocks which
    /// differ a little do no harm. Later it may be forgotten: whoever asks has refused it by then.
    async fn use_nonce(
        &self,
        nonce: NonceId,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// What was done, in a chain. Nothing of it is ever changed or removed.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Puts something on record, after everything that is there.
    async fn append_audit(&self, new: NewAudit) -> Result<AuditEntry, StoreError>;

    /// A page of entries in the order of the chain, after entry `after` (0: from the first). One
    /// that cannot be read is named in its place. A `limit` of 0 counts as 1.
    async fn audit(&self, after: u64, limit: u32) -> Result<AuditPage, StoreError>;

    /// A page of those entries whose actor or target is `key`, as [`audit`](Self::audit) gives it.
    async fn audit_about(
        &self,
        key: PublicKey,
        after: u64,
        limit: u32,
    ) -> Result<AuditPage, StoreError>;

    /// Where the chain ends. `None`: it is empty.
    async fn audit_head(&self) -> Result<Option<AuditHead>, StoreError>;
}

/// How much was used.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds to what was counted. A number stays at 2^63 - 1 rather than start over. `run` makes it
    /// idempotent: what is added again under the same name, as after a write whose outcome is not known,
    /// counts once, unless [`RECENT_RUNS`] others were added to the same numbers meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the owner is not registered any more, or was erased and
    /// registered again since `registered_at`: what was used in a former life is not booked to the
    /// new one.
    async fn add_usage(
        &self,
        registered_at: Timestamp,
        run: &RunId,
        key: UsageKey,
        count: UsageCount,
    ) -> Result<(), StoreError>;

    /// What `owner` used on the days from `from` to `to`, both included, in the order of days,
    /// then of models.
    async fn usage(
        &self,
        owner: PublicKey,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<Usage>, StoreError>;
}

/// What is counted against limits, by all nodes together.
#[async_trait]
pub trait CounterStore: Send + Sync {
    /// Adds to a counter, which begins at 0, and gives the new total. It stays at 2^63 - 1 rather
    /// than start over. Adding 0 reads it. It may be forgotten some time after it has expired.
    async fn add_to_counter(
        &self,
        counter: Counter,
        by: u64,
        at: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Tells how many runs of somebody are under way on a node, and gives how many are on all other
    /// nodes whose word still holds.
    async fn tell_running(&self, running: Running, at: Timestamp) -> Result<u64, StoreError>;
}
