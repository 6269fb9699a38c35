//! The traits for trust, on one file.

pub(super) mod rows;
pub(super) mod work;

use async_trait::async_trait;
use chrono::NaiveDate;
use nexus_core::auth::InstallationSecret;
use nexus_core::{
    ApiKey, ApiKeyId, AuditEntry, AuditHead, Identity, NewAudit, NonceId, PublicKey, RunId,
    Timestamp, Usage, UsageCount, UsageKey,
};

use super::EmbeddedStore;
use super::fault::conflict;
use crate::{
    ApiKeyStore, AuditPage, AuditStore, Counter, CounterStore, InstallationStore, NonceStore,
    Running, StoreError, UsageStore,
};

#[async_trait]
impl ApiKeyStore for EmbeddedStore {
    async fn create_api_key(&self, owner: &Identity, key: ApiKey) -> Result<(), StoreError> {
        if key.owner_key != owner.public_key {
            return Err(conflict(format!("the owner of API key {}", key.id)));
        }
        let (registered_at, id) = (owner.created_at, key.id);
        self.writer
            .change(
                move |file| work::create_api_key(file, registered_at, &key),
                move |()| vec![id.into()],
            )
            .await
    }

    async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        self.readers.read(move |file| work::api_key(file, id)).await
    }

    async fn api_keys(&self, owner: PublicKey) -> Result<Vec<ApiKey>, StoreError> {
        self.readers
            .read(move |file| work::api_keys(file, owner))
            .await
    }

    async fn revoke_api_key(
        &self,
        owner: PublicKey,
        id: ApiKeyId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer
            .change(
                move |file| work::revoke_api_key(file, owner, id, at),
                move |is_revoked| is_revoked.then_some(id.into()).into_iter().collect(),
            )
            .await
    }

    async fn touch_api_key(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(move |file| work::touch_api_key(file, id, at))
            .await
    }
}

#[async_trait]
impl InstallationStore for EmbeddedStore {
    async fn installation_secret(
        &self,
        candidate: InstallationSecret,
    ) -> Result<InstallationSecret, StoreError> {
        self.writer
            .write(move |file| work::installation_secret(file, &candidate))
            .await
    }
}

#[async_trait]
impl NonceStore for EmbeddedStore {
    async fn use_nonce(
        &self,
        nonce: NonceId,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer
            .write(move |file| work::use_nonce(file, nonce, at, expires_at))
            .await
    }
}

#[async_trait]
impl AuditStore for EmbeddedStore {
    async fn append_audit(&self, new: NewAudit) -> Result<AuditEntry, StoreError> {
        self.writer
            .write(move |file| work::append_audit(file, new))
            .await
    }

    async fn audit(&self, after: u64, limit: u32) -> Result<AuditPage, StoreError> {
        self.readers
            .read(move |file| work::audit(file, after, limit))
            .await
    }

    async fn audit_about(
        &self,
        key: PublicKey,
        after: u64,
        limit: u32,
    ) -> Result<AuditPage, StoreError> {
        self.readers
            .read(move |file| work::audit_about(file, key, after, limit))
            .await
    }

    async fn audit_head(&self) -> Result<Option<AuditHead>, StoreError> {
        self.readers.read(work::audit_head).await
    }
}

#[async_trait]
impl UsageStore for EmbeddedStore {
    async fn add_usage(
        &self,
        registered_at: Timestamp,
        run: &RunId,
        key: UsageKey,
        count: UsageCount,
    ) -> Result<(), StoreError> {
        let run = run.clone();
        self.writer
            .write(move |file| work::add_usage(file, registered_at, &run, &key, count))
            .await
    }

    async fn usage(
        &self,
        owner: PublicKey,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<Usage>, StoreError> {
        self.readers
            .read(move |file| work::usage(file, owner, from, to))
            .await
    }
}

#[async_trait]
impl CounterStore for EmbeddedStore {
    async fn add_to_counter(
        &self,
        counter: Counter,
        by: u64,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.writer
            .write(move |file| work::add_to_counter(file, counter, by, at))
            .await
    }

    async fn tell_running(&self, running: Running, at: Timestamp) -> Result<u64, StoreError> {
        self.writer
            .write(move |file| work::tell_running(file, &running, at))
            .await
    }
}
