//! Whether something that was read earlier may still be used.
//!
//! A store notes each change of an identity, a session or an API key under the change's number, and
//! vouches again and again that it has heard of everything. Whoever remembers something asks before
//! using it. Asking takes a few atomic loads and one look at the clock.

use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use nexus_core::{ApiKeyId, PublicKey, TokenDigest};

/// For how long a store vouches: nothing that was changed anywhere longer ago than this, and
/// acknowledged, is missed by anybody who asks.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// How many numbers are kept, in 64 KiB. Subjects that share one cost each other a read.
const SLOTS: usize = 8192;

/// What can be remembered, and can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The identity of a key.
    Identity(PublicKey),
    /// The session with this digest.
    Session(TokenDigest),
    /// The API key with this id.
    ApiKey(ApiKeyId),
}

impl From<PublicKey> for Subject {
    fn from(key: PublicKey) -> Self {
        Self::Identity(key)
    }
}

impl From<TokenDigest> for Subject {
    fn from(digest: TokenDigest) -> Self {
        Self::Session(digest)
    }
}

impl From<ApiKeyId> for Subject {
    fn from(id: ApiKeyId) -> Self {
        Self::ApiKey(id)
    }
}

/// What was known when something was read. Means something to the [`Freshness`] that gave it, and
/// to no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    era: u64,
    moment: u64,
}

/// What a store knows of the changes of its data. Clones share it.
///
/// ```
/// # use nexus_core::{Identity, PublicKey};
/// # use nexus_store::{AsOf, Store, StoreError};
/// # async fn example(store: &dyn Store, key: PublicKey) -> Result<(), StoreError> {
/// let freshness = store.freshness();
/// // Before the reading: a change in the middle of it must not be missed.
/// let as_of = freshness.as_of();
/// let identity = store.identity(key).await?;
/// // Later:
/// let may_be_used = freshness.holds(key, as_of);
/// # Ok(())
/// # }
/// ```
///
/// Changes are numbered by a logical clock, of the database or of this process, that never goes
/// back. A store promises that what is read after [`as_of`](Self::as_of) includes every change up
/// to that number. So a change that is noted twice, or noted late, costs nothing and hides nothing.
#[derive(Clone, Debug)]
pub struct Freshness(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// Grows when anything may have changed.
    era: AtomicU64,
    /// The highest number that is known.
    moment: AtomicU64,
    /// The highest number of a change of any subject that belongs here.
    slots: Box<[AtomicU64]>,
    /// Keyed for each process: nobody can aim at a slot.
    hasher: RandomState,
    /// Until when the store has heard of everything.
    vouched: Until,
    /// Somebody asked since this was last looked at.
    asked: AtomicBool,
    /// Looks for changes before each answer.
    look: OnceLock<Weak<dyn Look>>,
}

/// Looks for changes that nobody tells of. It takes microseconds.
pub(crate) trait Look: Debug + Send + Sync {
    /// Notes what has changed, and vouches for the rest.
    fn look(&self);
}

impl Freshness {
    /// Knows of no change, and does not vouch for it yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Known {
            era: AtomicU64::new(0),
            moment: AtomicU64::new(0),
            slots: std::iter::repeat_with(AtomicU64::default)
                .take(SLOTS)
                .collect(),
            hasher: RandomState::new(),
            vouched: Until::never(),
            asked: AtomicBool::new(false),
            look: OnceLock::new(),
        }))
    }

    /// Looks for changes before each answer from now on.
    pub(crate) fn look_with(&self, look: &Arc<dyn Look>) {
        _ = self.0.look.set(Arc::downgrade(look));
    }

    /// What is known now. To be taken before reading what is to be remembered.
    #[must_use]
    pub fn as_of(&self) -> AsOf {
        AsOf {
            era: self.0.era.load(Ordering::Acquire),
            moment: self.0.moment.load(Ordering::Acquire),
        }
    }

    /// Whether what was read of `subject` then is still what a reading would give now. A change
    /// that this store made itself counts when its write returns; one of another process counts at
    /// once where the store can look for it, else within a second. "No" in doubt, so always while the
    /// store does not hear of changes.
    #[must_use]
    pub fn holds(&self, subject: impl Into<Subject>, as_of: AsOf) -> bool {
        match self.0.look.get().map(Weak::upgrade) {
            None => {}
            Some(Some(look)) => look.look(),
            // The store is closed.
            Some(None) => return false,
        }
        self.holds_at(Instant::now(), subject.into(), as_of)
    }

    fn holds_at(&self, now: Instant, subject: Subject, as_of: AsOf) -> bool {
        // Written once and not each time, so that readers do not wait for each other's writes.
        if !self.0.asked.load(Ordering::Relaxed) {
            self.0.asked.store(true, Ordering::Relaxed);
        }
        // First: whatever was noted before the store vouched is then seen below.
        self.0.vouched.is_after(now)
            && as_of.era == self.0.era.load(Ordering::Acquire)
            && self
                .slot(subject)
                .is_some_and(|slot| slot.load(Ordering::Acquire) <= as_of.moment)
    }

    fn slot(&self, subject: Subject) -> Option<&AtomicU64> {
        let hash = self.0.hasher.hash_one(subject);
        let index = usize::try_from(hash % SLOTS as u64).ok()?;
        self.0.slots.get(index)
    }

    /// Notes a change under the next number of this process's own clock. It must be readable.
    pub(crate) fn changed(&self, subject: Subject) {
        let moment = self.0.moment.fetch_add(1, Ordering::AcqRel) + 1;
        self.changed_at(subject, moment);
    }

    /// Notes a change under its number. From now on, who reads must find it.
    pub(crate) fn changed_at(&self, subject: Subject, moment: u64) {
        self.reach(moment);
        if let Some(slot) = self.slot(subject) {
            slot.fetch_max(moment, Ordering::AcqRel);
        }
    }

    /// Anything may have changed up to now.
    pub(crate) fn doubt(&self) {
        self.0.era.fetch_add(1, Ordering::AcqRel);
    }

    /// From now on, who reads must find everything up to this number.
    pub(crate) fn reach(&self, moment: u64) {
        self.0.moment.fetch_max(moment, Ordering::AcqRel);
    }

    /// Everything that was acknowledged anywhere before `since` has been noted.
    pub(crate) fn vouch(&self, since: Instant) {
        self.0.vouched.extend(since + PATIENCE);
    }
}

#[cfg(feature = "mongo")]
impl Freshness {
    /// The highest number that is known, 0 for none.
    pub(crate) fn moment(&self) -> u64 {
        self.0.moment.load(Ordering::Acquire)
    }

    /// Changes are not heard any more.
    pub(crate) fn stop_vouching(&self) {
        self.0.vouched.end();
    }

    /// Whether the store vouches at the moment.
    pub(crate) fn is_vouched(&self) -> bool {
        self.0.vouched.is_after(Instant::now())
    }

    /// Whether anybody asked since the last time that this was called.
    pub(crate) fn was_asked(&self) -> bool {
        self.0.asked.swap(false, Ordering::Relaxed)
    }
}

/// A point in time that is moved by one and read by many.
#[derive(Debug)]
pub(crate) struct Until {
    origin: Instant,
    /// Nanoseconds after `origin`.
    end: AtomicU64,
}

impl Until {
    pub(crate) fn never() -> Self {
        Self {
            origin: Instant::now(),
            end: AtomicU64::new(0),
        }
    }

    /// Moves it, but never back.
    pub(crate) fn extend(&self, end: Instant) {
        self.end.fetch_max(self.place(end), Ordering::AcqRel);
    }

    #[cfg(feature = "mongo")]
    pub(crate) fn end(&self) {
        self.end.store(0, Ordering::Release);
    }

    pub(crate) fn is_after(&self, now: Instant) -> bool {
        self.end.load(Ordering::Acquire) > self.place(now)
    }

    /// Enough for five hundred years.
    fn place(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
