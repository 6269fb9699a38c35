//! The gate: whose token this is, and whether that key is a member.

mod memory;

use std::sync::Arc;

use chrono::TimeDelta;
use nexus_core::{
    Admission, ApiKey, ApiKeyId, ApiScope, Clock, Identity, PublicKey, Session, Timestamp, Token,
    TokenDigest, TokenKind,
};
use nexus_store::{Lease, Purpose, Store, StoreError};
use subtle::ConstantTimeEq as _;

use self::memory::Memory;
use crate::LiveTemplate;

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
}

/// Answers under the lease of this node, and from memory as long as the lease of the reading lasts
/// and this node has not changed that very identity, session or API key.
pub struct Gate {
    leased: Leased,
    clock: Arc<dyn Clock>,
    identities: Memory<PublicKey, Arc<Identity>>,
    sessions: Memory<TokenDigest, Session>,
    api_keys: Memory<ApiKeyId, Arc<ApiKey>>,
}

/// A store that is asked under a lease, by which the template is in force too.
struct Leased {
    store: Arc<dyn Store>,
    template: Arc<LiveTemplate>,
}

impl Leased {
    async fn lease(&self, purpose: Purpose) -> Result<Lease, StoreError> {
        let lease = self.store.lease(purpose).await?;
        self.template.follow().await?;
        Ok(lease)
    }
}

impl Gate {
    /// A gate that keeps nothing yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, template: Arc<LiveTemplate>, clock: Arc<dyn Clock>) -> Self {
        let evictions = store.evictions();
        Self {
            leased: Leased { store, template },
            clock,
            identities: Memory::new(evictions.clone()),
            sessions: Memory::new(evictions.clone()),
            api_keys: Memory::new(evictions),
        }
    }

    /// What a token stands for. `None`: unknown, revoked or expired.
    ///
    /// # Errors
    /// When the store cannot be asked. Never "yes" in doubt.
    pub async fn authenticate(&self, token: &Token) -> Result<Option<Credential>, StoreError> {
        let now = self.clock.now();
        let credential = match (token.kind(), token.api_key_id()) {
            (TokenKind::Development | TokenKind::Session | TokenKind::Browser, _) => {
                self.session(token.digest(), now).await?
            }
            (TokenKind::ApiKey, Some(id)) => self.api_key(id, token.digest(), now).await?,
            (TokenKind::ApiKey, None) => None,
        };
        if let Some(credential) = &credential {
            self.note_use(credential, now).await;
        }
        Ok(credential)
    }

    /// Whether a credential that was shown some time ago would still be accepted, and whoever it
    /// speaks for was not locked out since. Usually this reads memory only.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn still_accepts(&self, credential: &Credential) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let found = match credential {
            Credential::Session(session) => self.session(session.digest, now).await?,
            Credential::ApiKey(key) => self.api_key(key.id, key.digest, now).await?,
        };
        if found.is_none() {
            return Ok(false);
        }
        let admission = self.admit(credential.owner_key()).await?;
        Ok(!matches!(
            admission,
            Admission::Disabled | Admission::Unreadable
        ))
    }

    /// A live session. Another node may have seen it used since it was read, which is no change
    /// that is told: so it is read again before it is refused.
    async fn session(
        &self,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<Credential>, StoreError> {
        let is_live = |session: &Session| session.is_live(now);
        let read = async || readable(self.leased.store.session(digest).await);
        let session = self
            .sessions
            .recall_if(&self.leased, digest, is_live, read)
            .await?;
        Ok(session.filter(is_live).map(Credential::Session))
    }

    /// A live API key: found by its public part, accepted for its secret.
    async fn api_key(
        &self,
        id: ApiKeyId,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<Credential>, StoreError> {
        let read = async || Ok(readable(self.leased.store.api_key(id).await)?.map(Arc::new));
        let key = self.api_keys.recall(&self.leased, id, read).await?;
        let key = key.filter(|key| bool::from(key.digest.ct_eq(&digest)) && key.is_live(now));
        Ok(key.map(Credential::ApiKey))
    }

    /// That it cannot be noted is no reason to refuse.
    async fn note_use(&self, credential: &Credential, now: Timestamp) {
        let noted = match credential {
            Credential::Session(session) => {
                if now - session.last_seen_at < SESSION_NOTED {
                    return;
                }
                let seen = |session: &mut Session| session.last_seen_at = now;
                self.sessions.amend(session.digest, seen);
                self.leased.store.touch_session(session.digest, now).await
            }
            Credential::ApiKey(key) => {
                if key.last_used_at.is_some_and(|last| now - last < KEY_NOTED) {
                    return;
                }
                let used = |key: &mut Arc<ApiKey>| Arc::make_mut(key).last_used_at = Some(now);
                self.api_keys.amend(key.id, used);
                self.leased.store.touch_api_key(key.id, now).await
            }
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "that a credential was used could not be noted");
        }
    }

    /// Whether `key` is a member.
    ///
    /// # Errors
    /// When the store cannot be asked. Never "yes" in doubt.
    pub async fn admit(&self, key: PublicKey) -> Result<Admission, StoreError> {
        let read = async || Ok(self.leased.store.identity(key).await?.map(Arc::new));
        admission(self.identities.recall(&self.leased, key, read).await)
    }

    /// The same, as the store knows it now: a change is decided on what is there.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn admit_now(&self, key: PublicKey) -> Result<Admission, StoreError> {
        let identity = self.leased.store.identity(key).await;
        admission(identity.map(|identity| identity.map(Arc::new)))
    }
}

/// An identity that cannot be read hides only itself: for its owner it is a refusal, no failure.
fn admission(read: Result<Option<Arc<Identity>>, StoreError>) -> Result<Admission, StoreError> {
    match read {
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::warn!(%error, "an identity is refused");
            Ok(Admission::Unreadable)
        }
        read => read.map(Admission::of),
    }
}

/// A credential that cannot be read is none.
fn readable<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::warn!(%error, "a credential is refused");
            Ok(None)
        }
        read => read,
    }
}
