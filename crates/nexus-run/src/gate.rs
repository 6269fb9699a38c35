//! The gate: whose token this is, and whether that key is a member.

use std::sync::Arc;

use nexus_core::{Admission, Clock, Identity, PublicKey, Session, Token, TokenDigest};
use nexus_store::{Store, StoreError};
use quick_cache::sync::Cache;
use tokio::sync::watch;

/// How many identities, and how many sessions, are kept in memory.
const CACHED: usize = 10_000;

/// Answers from memory as long as the store says that nothing changed.
///
/// What is remembered carries the store's change number as it was *before* it was read. It counts
/// only while that number stands: a write here is seen by the next request, a write of another
/// process as soon as the store notices it.
pub struct Gate {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    changes: watch::Receiver<u64>,
    identities: Cache<PublicKey, Remembered<Arc<Identity>>>,
    sessions: Cache<TokenDigest, Remembered<Session>>,
}

#[derive(Clone)]
struct Remembered<T> {
    value: T,
    as_of: u64,
}

impl Gate {
    /// A gate that remembers nothing yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let changes = store.changes();
        Self {
            store,
            clock,
            changes,
            identities: Cache::new(CACHED),
            sessions: Cache::new(CACHED),
        }
    }

    /// Whom a token speaks for, and how far it reaches. `None`: unknown or expired.
    ///
    /// # Errors
    /// When the store cannot be asked. Never "yes" in doubt.
    pub async fn authenticate(&self, token: &Token) -> Result<Option<Session>, StoreError> {
        let digest = token.digest();
        let as_of = self.as_of();
        let now = self.clock.now();
        let session = match self.sessions.get(&digest) {
            // Another node may have seen it used since: a use is no change that is told.
            Some(remembered) if remembered.as_of == as_of && remembered.value.is_live(now) => {
                Some(remembered.value)
            }
            _ => {
                let found = self.store.session(digest).await?;
                if let Some(session) = &found {
                    self.sessions.insert(
                        digest,
                        Remembered {
                            value: session.clone(),
                            as_of,
                        },
                    );
                }
                found
            }
        };
        Ok(session.filter(|session| session.is_live(now)))
    }

    /// Whether `key` is a member.
    ///
    /// # Errors
    /// When the store cannot be asked. Never "yes" in doubt.
    pub async fn admit(&self, key: PublicKey) -> Result<Admission, StoreError> {
        let as_of = self.as_of();
        if let Some(remembered) = self
            .identities
            .get(&key)
            .filter(|remembered| remembered.as_of == as_of)
        {
            return Ok(Admission::of(Some(remembered.value)));
        }
        let Some(identity) = self.store.identity(key).await? else {
            return Ok(Admission::of(None));
        };
        let identity = Arc::new(identity);
        self.identities.insert(
            key,
            Remembered {
                value: Arc::clone(&identity),
                as_of,
            },
        );
        Ok(Admission::of(Some(identity)))
    }

    fn as_of(&self) -> u64 {
        *self.changes.borrow()
    }
}
