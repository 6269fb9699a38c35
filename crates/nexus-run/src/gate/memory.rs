//! What was read, and as of when. What was not there is not kept.

use std::hash::Hash;

use nexus_store::{AsOf, Evictions, Purpose, StoreError, Subject};
use quick_cache::sync::Cache;

use super::Leased;

/// How many of a kind are kept in memory.
const CACHED: usize = 10_000;

/// Things of one kind, under their names.
pub(super) struct Memory<K, V> {
    evictions: Evictions,
    read: Cache<K, (V, AsOf)>,
}

impl<K, V> Memory<K, V>
where
    K: Copy + Eq + Hash + Into<Subject>,
    V: Clone,
{
    pub(super) fn new(evictions: Evictions) -> Self {
        Self {
            evictions,
            read: Cache::new(CACHED),
        }
    }

    /// What is kept, or else what `read` gives.
    pub(super) async fn recall(
        &self,
        leased: &Leased,
        key: K,
        read: impl AsyncFnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError> {
        self.recall_if(leased, key, |_| true, read).await
    }

    /// What is kept if it will do, or else what `read` gives.
    pub(super) async fn recall_if(
        &self,
        leased: &Leased,
        key: K,
        will_do: impl Fn(&V) -> bool,
        read: impl AsyncFnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError> {
        leased.lease(Purpose::Recall).await?;
        if let Some((value, as_of)) = self.read.get(&key)
            && will_do(&value)
            && self.evictions.allow(key, as_of)
        {
            return Ok(Some(value));
        }
        // Before the reading: an eviction in the middle of it must not be missed.
        let as_of = self.evictions.as_of(leased.lease(Purpose::Read).await?);
        let found = read().await?;
        match &found {
            Some(value) => self.read.insert(key, (value.clone(), as_of)),
            None => _ = self.read.remove(&key),
        }
        Ok(found)
    }

    /// Changes what is kept. It is as old as before.
    pub(super) fn amend(&self, key: K, change: impl FnOnce(&mut V)) {
        if let Some((mut value, as_of)) = self.read.get(&key) {
            change(&mut value);
            self.read.insert(key, (value, as_of));
        }
    }
}
