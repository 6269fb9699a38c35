//! A real store that can be told to stop answering.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use nexus_core::{
    Environment, Identity, Message, OverrideWrite, PublicKey, RunId, Session, Timestamp,
    TokenDigest,
};
use nexus_store::{
    ConfigStore, Created, Cursor, EmbeddedStore, Erased, Freshness, IdentityPage, IdentityStore,
    MessagePage, MessageStore, NewTemplate, SessionStore, Store, StoreError, StoreFacts,
    StoredTemplate, TemplateVersion,
};
use tokio::sync::watch;

pub(crate) struct FragileStore {
    inner: EmbeddedStore,
    is_down: AtomicBool,
    panics: AtomicBool,
}

impl FragileStore {
    pub(crate) const fn new(inner: EmbeddedStore) -> Self {
        Self {
            inner,
            is_down: AtomicBool::new(false),
            panics: AtomicBool::new(false),
        }
    }

    /// From now on, nothing is answered.
    pub(crate) fn stop(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }

    /// From now on, reading messages panics.
    pub(crate) fn panic(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            let reason = "disk sda1 burns".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        Ok(())
    }
}

#[async_trait]
impl ConfigStore for FragileStore {
    async fn template(
        &self,
        environment: Environment,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        self.check()?;
        self.inner.template(environment).await
    }

    async fn template_version(
        &self,
        environment: Environment,
        version: u64,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        self.check()?;
        self.inner.template_version(environment, version).await
    }

    async fn template_versions(
        &self,
        environment: Environment,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TemplateVersion>, StoreError> {
        self.check()?;
        self.inner
            .template_versions(environment, before, limit)
            .await
    }

    async fn put_template(
        &self,
        new: NewTemplate,
        expected: Option<u64>,
    ) -> Result<StoredTemplate, StoreError> {
        self.check()?;
        self.inner.put_template(new, expected).await
    }
}

#[async_trait]
impl IdentityStore for FragileStore {
    async fn identity(&self, key: PublicKey) -> Result<Option<Identity>, StoreError> {
        self.check()?;
        self.inner.identity(key).await
    }

    async fn create_identity(&self, key: PublicKey, at: Timestamp) -> Result<Created, StoreError> {
        self.check()?;
        self.inner.create_identity(key, at).await
    }

    async fn identities(
        &self,
        after: Option<PublicKey>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError> {
        self.check()?;
        self.inner.identities(after, limit).await
    }

    async fn write_override(
        &self,
        identity: &Identity,
        write: &OverrideWrite,
    ) -> Result<Identity, StoreError> {
        self.check()?;
        self.inner.write_override(identity, write).await
    }

    async fn erase_identity(&self, key: PublicKey) -> Result<Erased, StoreError> {
        self.check()?;
        self.inner.erase_identity(key).await
    }
}

#[async_trait]
impl MessageStore for FragileStore {
    async fn append(&self, owner: &Identity, message: Message) -> Result<(), StoreError> {
        self.check()?;
        self.inner.append(owner, message).await
    }

    async fn history(
        &self,
        owner: &Identity,
        limit: u32,
        except: &RunId,
    ) -> Result<Vec<Message>, StoreError> {
        self.check()?;
        self.inner.history(owner, limit, except).await
    }

    async fn messages(
        &self,
        owner: &Identity,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError> {
        self.check()?;
        assert!(
            !self.panics.load(Ordering::SeqCst),
            "the secret of the store"
        );
        self.inner.messages(owner, limit, before).await
    }
}

#[async_trait]
impl SessionStore for FragileStore {
    async fn create_session(&self, session: Session) -> Result<(), StoreError> {
        self.check()?;
        self.inner.create_session(session).await
    }

    async fn session(&self, digest: TokenDigest) -> Result<Option<Session>, StoreError> {
        self.check()?;
        self.inner.session(digest).await
    }
}

#[async_trait]
impl Store for FragileStore {
    fn template_changes(&self) -> watch::Receiver<u64> {
        self.inner.template_changes()
    }

    fn freshness(&self) -> Freshness {
        self.inner.freshness()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check()?;
        self.inner.ping().await
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.check()?;
        self.inner.facts().await
    }
}
