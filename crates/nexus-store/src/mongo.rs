//! The store that several nodes share: a MongoDB replica set, or a sharded cluster.
//!
//! Collections and documents are those of the original Python NEXUS, and what it wrote is read.
//! What is acknowledged is in the journals of a majority of the members.

mod calls;
mod changes;
mod connect;
mod data;
mod documents;
mod erase;
mod fault;
mod installation;
mod json;
mod lease;
mod node;
mod original;
mod quarantine;
mod read;
mod readiness;
mod runs;
mod server;
mod trust;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nexus_core::{
    Environment, Identity, IdentityWrite, Message, MessageId, Metadata, OverrideWrite, PublicKey,
    RunId, Session, SessionId, Standing, Timestamp, TokenDigest,
};
use tokio::time::timeout;

use self::calls::Calls;
use self::changes::Changes;
use self::data::Data;
use self::fault::conflict;
use self::lease::Holder;
use self::node::Node;
use self::readiness::Readiness;
use crate::{
    Collection, ConfigStore, Created, Cursor, Erased, Evictions, IdentityPage, IdentityStore,
    Lease, MessagePage, MessageStore, NewTemplate, Purpose, QuarantineStore, SessionStore,
    StandingCounts, Store, StoreError, StoreFacts, StoredTemplate, TemplateVersion, UnreadablePage,
};

pub use self::connect::{ConnectError, MongoOptions};
pub use self::installation::MongoInstallation;
pub use self::original::{Change, Concern, Findings, Original, UncheckedTemplate};

/// How long the driver is waited for when the store closes.
const CLOSING: Duration = Duration::from_millis(500);

/// A store in a MongoDB database.
///
/// A write that was begun goes on even when its caller leaves, or is told that the deadline has
/// passed: an error means that nothing was acknowledged, not that nothing was stored. To repeat
/// the write of a message with the same id is safe.
#[derive(Debug)]
pub struct MongoStore {
    data: Arc<Data>,
    location: String,
    calls: Calls,
    changes: Changes,
    readiness: Readiness,
    lease: Holder,
}

impl MongoStore {
    /// Opens the database that `uri` names, or `default_database`. Comes back when the database has
    /// answered or has failed to, after some seconds at most. If it has failed the store is
    /// unavailable, keeps trying, and becomes available by itself.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub async fn connect(
        uri: &str,
        default_database: &str,
        options: MongoOptions,
    ) -> Result<Self, ConnectError> {
        let (data, location) = Data::open(uri, default_database, &options).await?;
        let data = Arc::new(data);
        let calls = Calls::new(options.deadline);
        let changes = Changes::new();
        let readiness = Readiness::new(Arc::clone(&data), calls.clone());
        readiness.prepare();
        readiness.settle(options.deadline).await;
        let node = Node::new(readiness.clone(), changes.clone(), options.deadline);
        Ok(Self {
            data,
            location,
            lease: Holder::new(node, calls.clone()),
            calls,
            changes,
            readiness,
        })
    }

    async fn call<T, Answer>(
        &self,
        call: impl FnOnce(Arc<Data>, Changes) -> Answer,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Answer: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.readiness.check()?;
        let call = call(Arc::clone(&self.data), self.changes.clone());
        self.calls.run(call).await
    }

    /// A call that reads what people are let in by: not without a lease.
    async fn leased_call<T, Answer>(
        &self,
        call: impl FnOnce(Arc<Data>, Changes) -> Answer,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Answer: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.lease(Purpose::Read).await?;
        self.call(call).await
    }
}

impl Drop for MongoStore {
    fn drop(&mut self) {
        self.readiness.stop();
    }
}

#[async_trait]
impl ConfigStore for MongoStore {
    async fn template(
        &self,
        environment: Environment,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        self.call(async move |data, changes| data.template(&changes, environment).await)
            .await
    }

    async fn template_version(
        &self,
        environment: Environment,
        version: u64,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        self.call(async move |data, _| data.template_version(environment, version).await)
            .await
    }

    async fn template_versions(
        &self,
        environment: Environment,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TemplateVersion>, StoreError> {
        self.call(async move |data, _| data.template_versions(environment, before, limit).await)
            .await
    }

    async fn put_template(
        &self,
        new: NewTemplate,
        expected: Option<u64>,
    ) -> Result<StoredTemplate, StoreError> {
        self.call(async move |data, changes| data.put_template(&changes, new, expected).await)
            .await
    }
}

#[async_trait]
impl IdentityStore for MongoStore {
    async fn identity(&self, key: PublicKey) -> Result<Option<Identity>, StoreError> {
        self.leased_call(async move |data, changes| data.identity(&changes, key).await)
            .await
    }

    async fn create_identity(
        &self,
        key: PublicKey,
        standing: Standing,
        at: Timestamp,
    ) -> Result<Created, StoreError> {
        let call = async move |data: Arc<Data>, changes| {
            data.create_identity(&changes, key, standing, at).await
        };
        self.leased_call(call).await
    }

    async fn identities(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError> {
        self.call(async move |data, _| data.identities(after, limit).await)
            .await
    }

    async fn identities_by_standing(
        &self,
        standing: Standing,
        after: Option<String>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError> {
        self.call(async move |data, _| data.identities_by_standing(standing, after, limit).await)
            .await
    }

    async fn count_identities(&self) -> Result<StandingCounts, StoreError> {
        self.call(async move |data, _| data.count_identities().await)
            .await
    }

    async fn write_identity(
        &self,
        identity: &Identity,
        write: IdentityWrite,
    ) -> Result<Identity, StoreError> {
        let identity = identity.clone();
        self.call(async move |data, changes| data.write_identity(&changes, &identity, write).await)
            .await
    }

    async fn write_override(
        &self,
        identity: &Identity,
        write: &OverrideWrite,
    ) -> Result<Identity, StoreError> {
        let (identity, write) = (identity.clone(), write.clone());
        self.call(async move |data, changes| data.write_override(&changes, &identity, &write).await)
            .await
    }

    async fn erase_identity(&self, key: PublicKey) -> Result<Erased, StoreError> {
        self.call(async move |data, changes| data.erase_identity(&changes, key, None).await)
            .await
    }

    async fn leave(&self, key: PublicKey, at: Timestamp) -> Result<Erased, StoreError> {
        let at = Some(at);
        self.call(async move |data, changes| data.erase_identity(&changes, key, at).await)
            .await
    }
}

#[async_trait]
impl MessageStore for MongoStore {
    async fn append(&self, owner: &Identity, message: Message) -> Result<(), StoreError> {
        if message.owner_key != owner.public_key {
            return Err(conflict(format!("the owner of message {}", message.id)));
        }
        let owner = owner.clone();
        self.call(async move |data, _| data.append(&owner, &message).await)
            .await
    }

    async fn history(
        &self,
        owner: &Identity,
        limit: u32,
        except: &RunId,
    ) -> Result<Vec<Message>, StoreError> {
        let (owner, except) = (owner.public_key, except.clone());
        self.call(async move |data, _| data.history(owner, limit, &except).await)
            .await
    }

    async fn has_message(&self, owner: &Identity, id: &MessageId) -> Result<bool, StoreError> {
        let (owner, id) = (owner.public_key, id.clone());
        self.call(async move |data, _| data.has_message(owner, &id).await)
            .await
    }

    async fn set_metadata(
        &self,
        owner: &Identity,
        id: &MessageId,
        metadata: Metadata,
    ) -> Result<bool, StoreError> {
        let (owner, id) = (owner.public_key, id.clone());
        self.call(async move |data, _| data.set_message_metadata(owner, &id, &metadata).await)
            .await
    }

    async fn remove_messages(
        &self,
        owner: &Identity,
        ids: &[MessageId],
    ) -> Result<u64, StoreError> {
        let (owner, ids) = (owner.public_key, ids.to_vec());
        self.call(async move |data, _| data.remove_messages(owner, &ids).await)
            .await
    }

    async fn messages(
        &self,
        owner: &Identity,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError> {
        let owner = owner.public_key;
        self.call(async move |data, _| data.messages(owner, limit, before).await)
            .await
    }

    async fn run_messages(
        &self,
        owner: &Identity,
        run: &RunId,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError> {
        let (owner, run) = (owner.public_key, run.clone());
        self.call(async move |data, _| data.run_messages(owner, &run, limit, before).await)
            .await
    }

    async fn place(
        &self,
        owner: &Identity,
        message: &Message,
    ) -> Result<Option<Cursor>, StoreError> {
        let (owner, run, id) = (owner.public_key, message.run_id.clone(), message.id.clone());
        self.call(async move |data, _| data.place(owner, &run, &id).await)
            .await
    }
}

#[async_trait]
impl SessionStore for MongoStore {
    async fn create_session(&self, session: Session) -> Result<(), StoreError> {
        self.call(async move |data, changes| data.create_session(&changes, &session).await)
            .await
    }

    async fn session(&self, digest: TokenDigest) -> Result<Option<Session>, StoreError> {
        self.leased_call(async move |data, changes| data.session(&changes, digest).await)
            .await
    }

    async fn sessions(&self, owner: PublicKey) -> Result<Vec<Session>, StoreError> {
        self.call(async move |data, _| data.sessions(owner).await)
            .await
    }

    async fn revoke_session(&self, owner: PublicKey, id: SessionId) -> Result<bool, StoreError> {
        self.call(async move |data, changes| data.revoke_session(&changes, owner, id).await)
            .await
    }

    async fn revoke_sessions(
        &self,
        owner: PublicKey,
        except: Option<TokenDigest>,
    ) -> Result<u64, StoreError> {
        self.call(async move |data, changes| data.revoke_sessions(&changes, owner, except).await)
            .await
    }

    async fn touch_session(&self, digest: TokenDigest, at: Timestamp) -> Result<(), StoreError> {
        self.call(async move |data, _| data.touch_session(digest, at).await)
            .await
    }
}

#[async_trait]
impl QuarantineStore for MongoStore {
    async fn unreadable(
        &self,
        collection: Collection,
        after: Option<String>,
        limit: u32,
    ) -> Result<UnreadablePage, StoreError> {
        self.call(async move |data, _| data.unreadable(collection, after, limit).await)
            .await
    }

    async fn delete_unreadable(
        &self,
        collection: Collection,
        id: String,
    ) -> Result<Option<Erased>, StoreError> {
        let call = async move |data: Arc<Data>, changes| {
            data.delete_unreadable(&changes, collection, id).await
        };
        self.call(call).await
    }
}

#[async_trait]
impl Store for MongoStore {
    fn evictions(&self) -> Evictions {
        self.changes.evictions().clone()
    }

    async fn lease(&self, purpose: Purpose) -> Result<Lease, StoreError> {
        self.readiness.check()?;
        self.lease.lease(purpose).await
    }

    /// Indexes do it: see `Data::prepare`.
    async fn purge(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.lease(Purpose::Read).await.map(drop)
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        let read = async move |data: Arc<Data>, _| Ok((data.server().await?, data.counts().await?));
        let (server, (identities, messages)) = self.call(read).await?;
        Ok(StoreFacts {
            kind: format!("MongoDB ({})", server.version),
            location: self.location.clone(),
            identities,
            messages,
            shape: server.shape,
            time: server.time,
        })
    }

    async fn close(&self) {
        self.readiness.stop();
        self.lease.stop();
        self.calls.close().await;
        // The driver waits for what a server that hangs still has of it; we do not.
        _ = timeout(CLOSING, self.data.client.clone().shutdown()).await;
    }
}
