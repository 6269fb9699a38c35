//! Leases, and the evictions that end what is kept under them earlier.
//!
//! A node answers under a lease, and keeps what it has read until the lease of that reading ends. A
//! change of another node is seen when it does, within [`LIFE`]; a change of this node evicts what
//! it changes at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nexus_core::{ApiKeyId, PublicKey, TokenDigest};
use tokio::time::Instant;

/// How long a lease lasts, from before it was asked for.
pub const LIFE: Duration = Duration::from_secs(1);

/// How many numbers are kept, in 64 KiB. Subjects that share one cost each other a read.
const SLOTS: usize = 8192;

/// What can be kept, and can change.
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

/// What a lease is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To use what was read before: any that is live.
    Recall,
    /// To read what is to be kept: one that is not half over.
    Read,
}

/// Permission to answer, and the time for which what is read under it may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    era: u64,
    /// `None`: it lasts until another process changes something, which is looked for each time.
    end: Option<Instant>,
}

impl Lease {
    #[cfg(feature = "mongo")]
    pub(crate) const fn until(end: Instant) -> Self {
        let end = Some(end);
        Self { era: 0, end }
    }
}

/// The lease and the evictions that were known when something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    lease: Lease,
    moment: u64,
}

/// What may not be used any more of what was read earlier. Clones share it.
///
/// ```
/// # use nexus_core::{Identity, PublicKey};
/// # use nexus_store::{Purpose, Store, StoreError};
/// # async fn example(store: &dyn Store, key: PublicKey) -> Result<(), StoreError> {
/// let evictions = store.evictions();
/// // Before the reading: an eviction in the middle of it must not be missed.
/// let as_of = evictions.as_of(store.lease(Purpose::Read).await?);
/// let identity = store.identity(key).await?;
/// // Later:
/// store.lease(Purpose::Recall).await?;
/// let may_be_used = evictions.allow(key, as_of);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Evictions(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// Grows when anything may have been changed by another process.
    era: AtomicU64,
    /// The number of the newest eviction.
    moment: AtomicU64,
    /// The newest eviction of any subject that belongs here.
    slots: Box<[AtomicU64]>,
    /// Keyed for each process, so that no client can aim at a slot.
    hasher: RandomState,
    /// Grows when a template may have changed.
    template: AtomicU64,
}

impl Evictions {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Known {
            era: AtomicU64::new(0),
            moment: AtomicU64::new(0),
            slots: std::iter::repeat_with(AtomicU64::default)
                .take(SLOTS)
                .collect(),
            hasher: RandomState::new(),
            template: AtomicU64::new(1),
        }))
    }

    /// What is known now, to be taken before a reading under `lease`.
    #[must_use]
    pub fn as_of(&self, lease: Lease) -> AsOf {
        AsOf {
            lease,
            moment: self.0.moment.load(Ordering::Acquire),
        }
    }

    /// Whether what was read of `subject` then may be used: the lease of that reading is not over,
    /// and no change of this node has evicted the subject since the reading began.
    #[must_use]
    pub fn allow(&self, subject: impl Into<Subject>, as_of: AsOf) -> bool {
        self.allow_at(Instant::now(), subject.into(), as_of)
    }

    pub(crate) fn allow_at(&self, now: Instant, subject: Subject, as_of: AsOf) -> bool {
        as_of.lease.end.is_none_or(|end| now < end)
            && as_of.lease.era == self.0.era.load(Ordering::Acquire)
            && self
                .slot(subject)
                .is_some_and(|slot| slot.load(Ordering::Acquire) <= as_of.moment)
    }

    /// A number that grows before a lease is given under which a template may be another one.
    #[must_use]
    pub fn template(&self) -> u64 {
        self.0.template.load(Ordering::Acquire)
    }

    fn slot(&self, subject: Subject) -> Option<&AtomicU64> {
        let hash = self.0.hasher.hash_one(subject);
        let index = usize::try_from(hash % SLOTS as u64).ok()?;
        self.0.slots.get(index)
    }

    /// Notes a change that this node has made, and that a reading from now on finds.
    pub(crate) fn evict(&self, subject: Subject) {
        let moment = self.0.moment.fetch_add(1, Ordering::AcqRel) + 1;
        if let Some(slot) = self.slot(subject) {
            slot.fetch_max(moment, Ordering::AcqRel);
        }
    }

    /// A template may have changed.
    pub(crate) fn evict_template(&self) {
        self.0.template.fetch_add(1, Ordering::AcqRel);
    }

    /// Another process may have changed anything.
    pub(crate) fn evict_all(&self) {
        self.0.era.fetch_add(1, Ordering::AcqRel);
        self.evict_template();
    }

    /// A lease of this moment that lasts until [everything is evicted](Self::evict_all).
    pub(crate) fn lease_until_evicted(&self) -> Lease {
        Lease {
            era: self.0.era.load(Ordering::Acquire),
            end: None,
        }
    }

    /// A lease under which nothing is kept.
    pub(crate) fn lease_without_cache(&self) -> Lease {
        Lease {
            end: Some(Instant::now()),
            ..self.lease_until_evicted()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(number: u8) -> Subject {
        PublicKey::from_bytes([number; 20]).into()
    }

    #[test]
    fn a_change_evicts_one_subject_and_no_other() {
        let evictions = Evictions::new();
        let as_of = evictions.as_of(evictions.lease_until_evicted());
        evictions.evict(subject(0));
        assert!(!evictions.allow(subject(0), as_of));
        // Two subjects may share a slot, and of many few do.
        let kept = (1..=255).filter(|number| evictions.allow(subject(*number), as_of));
        assert!(kept.count() > 240);
    }

    #[test]
    fn a_reading_that_began_before_an_eviction_is_not_used_and_one_after_it_is() {
        let evictions = Evictions::new();
        let lease = evictions.lease_until_evicted();
        let before = evictions.as_of(lease);
        evictions.evict(subject(0));
        assert!(!evictions.allow(subject(0), before));
        assert!(evictions.allow(subject(0), evictions.as_of(lease)));
    }

    #[test]
    fn what_was_read_ends_with_its_lease() {
        let evictions = Evictions::new();
        let end = Instant::now() + LIFE;
        let lease = Lease {
            end: Some(end),
            ..evictions.lease_until_evicted()
        };
        let as_of = evictions.as_of(lease);
        let just_before = end - Duration::from_nanos(1);
        assert!(evictions.allow_at(just_before, subject(0), as_of));
        assert!(!evictions.allow_at(end, subject(0), as_of));
    }

    #[test]
    fn when_another_process_has_changed_something_nothing_is_used() {
        let evictions = Evictions::new();
        let as_of = evictions.as_of(evictions.lease_until_evicted());
        let template = evictions.template();
        evictions.evict_all();
        assert!(!evictions.allow(subject(0), as_of));
        assert!(evictions.template() > template);
        let now = evictions.as_of(evictions.lease_until_evicted());
        assert!(evictions.allow(subject(0), now));
    }

    #[test]
    fn under_a_lease_without_cache_nothing_is_kept() {
        let evictions = Evictions::new();
        let as_of = evictions.as_of(evictions.lease_without_cache());
        assert!(!evictions.allow(subject(0), as_of));
    }
}
