//! The traits for trust, on a database.

mod audit;
pub(super) mod documents;
mod work;

use async_trait::async_trait;
use chrono::NaiveDate;
use nexus_core::auth::InstallationSecret;
use nexus_core::{
    ApiKey, ApiKeyId, AuditEntry, AuditHead, Identity, NewAudit, NonceId, PublicKey, RunId,
    Timestamp, Usage, UsageCount, UsageKey,
};

use super::MongoStore;
use super::fault::conflict;
use crate::{
    ApiKeyStore, AuditPage, AuditStore, Counter, CounterStore, InstallationStore, NonceStore,
    Running, StoreError, UsageStore,
};

#[async_trait]
impl ApiKeyStore for MongoStore {
    async fn create_api_key(&self, owner: &Identity, key: ApiKey) -> Result<(), StoreError> {
        if key.owner_key != owner.public_key {
            return Err(conflict(format!("the owner of API key {}", key.id)));
        }
        let owner = owner.clone();
        self.call(async move |data, changes| data.create_api_key(&changes, &owner, &key).await)
            .await
    }

    async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        self.leased_call(async move |data, changes| data.api_key(&changes, id).await)
            .await
    }

    async fn api_keys(&self, owner: PublicKey) -> Result<Vec<ApiKey>, StoreError> {
        self.call(async move |data, _| data.api_keys(owner).await)
            .await
    }

    async fn revoke_api_key(
        &self,
        owner: PublicKey,
        id: ApiKeyId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.call(async move |data, changes| data.revoke_api_key(&changes, owner, id, at).await)
            .await
    }

    async fn touch_api_key(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        self.call(async move |data, _| data.touch_api_key(id, at).await)
            .await
    }
}

#[async_trait]
impl InstallationStore for MongoStore {
    async fn installation_secret(
        &self,
        candidate: InstallationSecret,
    ) -> Result<InstallationSecret, StoreError> {
        self.call(async move |data, _| data.installation_secret(&candidate).await)
            .await
    }
}

#[async_trait]
impl NonceStore for MongoStore {
    async fn use_nonce(
        &self,
        nonce: NonceId,
        _at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.call(async move |data, _| data.use_nonce(nonce, expires_at).await)
            .await
    }
}

#[async_trait]
impl AuditStore for MongoStore {
    async fn append_audit(&self, new: NewAudit) -> Result<AuditEntry, StoreError> {
        self.call(async move |data, _| data.append_audit(&new).await)
            .await
    }

    async fn audit(&self, after: u64, limit: u32) -> Result<AuditPage, StoreError> {
        self.call(async move |data, _| data.audit(after, limit).await)
            .await
    }

    async fn audit_about(
        &self,
        key: PublicKey,
        after: u64,
        limit: u32,
    ) -> Result<AuditPage, StoreError> {
        self.call(async move |data, _| data.audit_about(key, after, limit).await)
            .await
    }

    async fn audit_head(&self) -> Result<Option<AuditHead>, StoreError> {
        self.call(async move |data, _| data.audit_head().await)
            .await
    }
}

#[async_trait]
impl UsageStore for MongoStore {
    async fn add_usage(
        &self,
        registered_at: Timestamp,
        run: &RunId,
        key: UsageKey,
        count: UsageCount,
    ) -> Result<(), StoreError> {
        let run = run.clone();
        self.call(async move |data, _| data.add_usage(registered_at, &run, &key, count).await)
            .await
    }

    async fn usage(
        &self,
        owner: PublicKey,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<Usage>, StoreError> {
        self.call(async move |data, _| data.usage(owner, from, to).await)
            .await
    }
}

#[async_trait]
impl CounterStore for MongoStore {
    async fn add_to_counter(
        &self,
        counter: Counter,
        by: u64,
        _at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.call(async move |data, _| data.add_to_counter(counter, by).await)
            .await
    }

    async fn tell_running(&self, running: Running, _at: Timestamp) -> Result<u64, StoreError> {
        self.call(async move |data, _| data.tell_running(&running).await)
            .await
    }
}
