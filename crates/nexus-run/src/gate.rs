//! The gate: whose token this is, and whether that key is a member.

use std::hash::Hash;
use std::sync::Arc;

use nexus_core::{Admission, Clock, Identity, PublicKey, Session, Token, TokenDigest};
use nexus_store::{AsOf, Freshness, Store, StoreError, Subject};
use quick_cache::sync::Cache;

/// How many identities, and how many sessions, are kept in memory.
const CACHED: usize = 10_000;

/// Answers from memory as long as the store vouches that this very identity or session has not
/// changed. It does not when it is in doubt, and then everything is read.
pub struct Gate {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    identities: Memory<PublicKey, Arc<Identity>>,
    sessions: Memory<TokenDigest, Session>,
}

impl Gate {
    /// A gate that remembers nothing yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let freshness = store.freshness();
        Self {
            store,
            clock,
            identities: Memory::new(freshness.clone()),
            sessions: Memory::new(freshness),
        }
    }

    /// Whom a token speaks for, and how far it reaches. `None`: unknown or expired.
    ///
    /// # Errors
    /// When the store cannot be asked. Never "yes" in doubt.
    pub async fn authenticate(&self, token: &Token) -> Result<Option<Session>, StoreError> {
        let digest = token.digest();
        let read = async || self.store.session(digest).await;
        let session = self.sessions.recall(digest, read).await?;
        let now = self.clock.now();
        Ok(session.filter(|session| session.is_live(now)))
    }

    /// Whether `key` is a member.
    ///
    /// # Errors
    /// When the store cannot be asked. Never "yes" in doubt.
    pub async fn admit(&self, key: PublicKey) -> Result<Admission<Arc<Identity>>, StoreError> {
        let read = async || Ok(self.store.identity(key).await?.map(Arc::new));
        let identity = self.identities.recall(key, read).await?;
        Ok(identity.map_or(Admission::Visitor, Admission::Member))
    }
}

/// What was read, and as of when. What was not there is not remembered.
struct Memory<K, V> {
    freshness: Freshness,
    read: Cache<K, (V, AsOf)>,
}

impl<K, V> Memory<K, V>
where
    K: Copy + Eq + Hash + Into<Subject>,
    V: Clone,
{
    fn new(freshness: Freshness) -> Self {
        Self {
            freshness,
            read: Cache::new(CACHED),
        }
    }

    /// What is remembered, or else what `read` gives.
    async fn recall(
        &self,
        key: K,
        read: impl AsyncFnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError> {
        if let Some((value, as_of)) = self.read.get(&key)
            && self.freshness.holds(key, as_of)
        {
            return Ok(Some(value));
        }
        // Before the reading: a change in the middle of it must not be missed.
        let as_of = self.freshness.as_of();
        let found = read().await?;
        match &found {
            Some(value) => self.read.insert(key, (value.clone(), as_of)),
            None => _ = self.read.remove(&key),
        }
        Ok(found)
    }
}
