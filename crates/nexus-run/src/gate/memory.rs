//! What was read, and as of when. What was not there is not remembered.

use std::hash::Hash;

use nexus_store::{AsOf, Freshness, StoreError, Subject};
use quick_cache::sync::Cache;

/// How many of a kind are kept in memory.
const CACHED: usize = 10_000;

/// Things of one kind, under their names.
pub(super) struct Memory<K, V> {
    freshness: Freshness,
    read: Cache<K, (V, AsOf)>,
}

impl<K, V> Memory<K, V>
where
    K: Copy + Eq + Hash + Into<Subject>,
    V: Clone,
{
    pub(super) fn new(freshness: Freshness) -> Self {
        Self {
            freshness,
            read: Cache::new(CACHED),
        }
    }

    /// What is remembered, or else what `read` gives.
    pub(super) async fn recall(
        &self,
        key: K,
        read: impl AsyncFnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError> {
        self.recall_if(key, |_| true, read).await
    }

    /// What is remembered if it will do, or else what `read` gives.
    pub(super) async fn recall_if(
        &self,
        key: K,
        will_do: impl Fn(&V) -> bool,
        read: impl AsyncFnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError> {
        if let Some((value, as_of)) = self.read.get(&key)
            && will_do(&value)
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

    /// Changes what is remembered. It is as old as before: what has changed since is still heard.
    pub(super) fn amend(&self, key: K, change: impl FnOnce(&mut V)) {
        if let Some((mut value, as_of)) = self.read.get(&key) {
            change(&mut value);
            self.read.insert(key, (value, as_of));
        }
    }
}
