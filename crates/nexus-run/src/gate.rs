//! The gate: whose token this is, and whether that key is a member.

use std::sync::Arc;

use chrono::TimeDelta;
use nexus_core::{
    Admission, ApiKey, ApiKeyId, ApiScope, Clock, Identity, PublicKey, Session, Timestamp, Token,
    TokenDigest, TokenKind,
};
use nexus_store::{Store, StoreError};
use quick_cache::sync::Cache;
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

/// How many identities, sessions and API keys each are kept in memory.
const CACHED: usize = 10_000;

/// How old the note about a session's last use may be.
const SESSION_NOTED: TimeDelta = TimeDelta::minutes(5);
/// How old the note about an API key's last use may be.
const KEY_NOTED: TimeDelta = TimeDelta::minutes(1);

/// What a client showed, and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Somebody who is signed in, or has a token from the machine.
    Session(Session),
    /// A program, within what its key allows.
    ApiKey(Arc<ApiKey>),
}

impl Credential {
    /// Whom it speaks for.
    #[must_use]
    pub fn owner_key(&self) -> PublicKey {
        match self {
            Self::Session(session) => session.owner_key,
            Self::ApiKey(key) => key.owner_key,
        }
    }

    /// Whether it may do this.
    #[must_use]
    pub fn allows(&self, scope: ApiScope) -> bool {
        match self {
            Self::Session(_) => true,
            Self::ApiKey(key) => key.scopes.allow(scope),
        }
    }

    fn is_live(&self, now: Timestamp) -> bool {
        match self {
            Self::Session(session) => session.is_live(now),
            Self::ApiKey(key) => key.is_live(now),
        }
    }
}

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
    api_keys: Cache<ApiKeyId, Remembered<Arc<ApiKey>>>,
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
            api_keys: Cache::new(CACHED),
        }
    }

    /// What a token stands for. `None`: unknown, revoked or expired.
    ///
    /// # Errors
    /// When the store cannot be asked. Never "yes" in doubt.
    pub async fn authenticate(&self, token: &Token) -> Result<Option<Credential>, StoreError> {
        let now = self.clock.now();
        let as_of = self.as_of();
        let credential = match token.kind() {
            TokenKind::Development | TokenKind::Session => {
                let session = self.session(token.digest(), now).await?;
                session.map(Credential::Session)
            }
            TokenKind::ApiKey => self.presented_key(token).await?.map(Credential::ApiKey),
        };
        let credential = credential.filter(|credential| credential.is_live(now));
        if let Some(credential) = &credential {
            self.note_use(credential, now, as_of).await;
        }
        Ok(credential)
    }

    /// Whether a credential that was shown some time ago would still be accepted, and whoever it
    /// speaks for was not locked out since.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn still_accepts(&self, credential: &Credential) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let found = match credential {
            Credential::Session(session) => self
                .session(session.digest, now)
                .await?
                .map(Credential::Session),
            Credential::ApiKey(key) => self.api_key(key.id).await?.map(Credential::ApiKey),
        };
        if !found.is_some_and(|found| found.is_live(now)) {
            return Ok(false);
        }
        let admission = self.admit(credential.owner_key()).await?;
        Ok(!matches!(admission, Admission::Disabled))
    }

    async fn session(
        &self,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let as_of = self.as_of();
        match self.sessions.get(&digest) {
            // Another node may have seen it used since: a use is no change that is told.
            Some(remembered) if remembered.as_of == as_of && remembered.value.is_live(now) => {
                Ok(Some(remembered.value))
            }
            _ => {
                let found = self.store.session(digest).await?;
                if let Some(session) = &found {
                    let value = session.clone();
                    self.sessions.insert(digest, Remembered { value, as_of });
                }
                Ok(found)
            }
        }
    }

    /// Found by its public part, accepted for its secret.
    async fn presented_key(&self, token: &Token) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let Some(id) = token.api_key_id() else {
            return Ok(None);
        };
        let found = self.api_key(id).await?;
        let is_same = |key: &Arc<ApiKey>| bool::from(key.digest.ct_eq(&token.digest()));
        Ok(found.filter(is_same))
    }

    async fn api_key(&self, id: ApiKeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let as_of = self.as_of();
        if let Some(remembered) = self.api_keys.get(&id)
            && remembered.as_of == as_of
        {
            return Ok(Some(remembered.value));
        }
        let found = self.store.api_key(id).await?.map(Arc::new);
        if let Some(key) = &found {
            let value = Arc::clone(key);
            self.api_keys.insert(id, Remembered { value, as_of });
        }
        Ok(found)
    }

    /// That it cannot be noted is no reason to refuse. What is remembered is as old as `as_of`, the
    /// moment before the credential was read: a revocation since then must not be forgotten.
    async fn note_use(&self, credential: &Credential, now: Timestamp, as_of: u64) {
        let noted = match credential {
            Credential::Session(session) => {
                if now - session.last_seen_at < SESSION_NOTED {
                    return;
                }
                self.store.touch_session(session.digest, now).await
            }
            Credential::ApiKey(key) => {
                if key.last_used_at.is_some_and(|last| now - last < KEY_NOTED) {
                    return;
                }
                self.store.touch_api_key(key.id, now).await
            }
        };
        match credential {
            Credential::Session(session) => {
                let value = Session {
                    last_seen_at: now,
                    ..session.clone()
                };
                let seen = Remembered { value, as_of };
                self.sessions.insert(session.digest, seen);
            }
            Credential::ApiKey(key) => {
                let value = Arc::new(ApiKey {
                    last_used_at: Some(now),
                    ..ApiKey::clone(key)
                });
                self.api_keys.insert(key.id, Remembered { value, as_of });
            }
        }
        if let Err(error) = noted {
            tracing::warn!(%error, "that a credential was used could not be noted");
        }
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
