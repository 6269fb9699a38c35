//! A real store that asks before every call whether it may be made.

use async_trait::async_trait;
use chrono::NaiveDate;
use nexus_core::auth::InstallationSecret;
use nexus_core::{
    ApiKey, ApiKeyId, AuditEntry, AuditHead, Environment, Identity, IdentityWrite, Message,
    MessageId, Metadata, NewAudit, NonceId, OverrideWrite, PublicKey, RunId, Session, SessionId,
    Standing, Timestamp, TokenDigest, Usage, UsageCount, UsageKey,
};
use nexus_store::{
    ApiKeyStore, AuditPage, AuditStore, Collection, ConfigStore, Counter, CounterStore, Created,
    Cursor, EmbeddedStore, Erased, Evictions, IdentityPage, IdentityStore, InstallationStore,
    Lease, MessagePage, MessageStore, NewTemplate, NonceStore, Purpose, QuarantineStore, RunStore,
    Running, SessionStore, StandingCounts, Store, StoreError, StoreFacts, StoredTemplate,
    TemplateVersion, UnreadablePage, UsageStore,
};

/// Sees every call, and may refuse it.
pub trait Observer: Send + Sync + 'static {
    /// Is told the name of the method.
    fn before(&self, call: &'static str) -> Result<(), StoreError>;
}

/// A store and its observer, which it derefs to.
pub struct Observed<O> {
    store: EmbeddedStore,
    observer: O,
}

impl<O> Observed<O> {
    /// A store whose calls this observer sees.
    pub const fn new(store: EmbeddedStore, observer: O) -> Self {
        Self { store, observer }
    }
}

impl<O> std::ops::Deref for Observed<O> {
    type Target = O;

    fn deref(&self) -> &O {
        &self.observer
    }
}

macro_rules! observe {
    ($($trait:ident {
        $($call:ident($($name:ident: $type:ty),*) -> $answer:ty;)*
    })*) => {$(
        #[async_trait]
        impl<O: Observer> $trait for Observed<O> {
            $(async fn $call(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                self.observer.before(stringify!($call))?;
                self.store.$call($($name),*).await
            })*
        }
    )*};
}

observe! {
    ConfigStore {
        template(environment: Environment) -> Option<StoredTemplate>;
        template_version(environment: Environment, version: u64) -> Option<StoredTemplate>;
        template_versions(environment: Environment, before: Option<u64>, limit: u32)
            -> Vec<TemplateVersion>;
        put_template(new: NewTemplate, expected: Option<u64>) -> StoredTemplate;
    }
    IdentityStore {
        identity(key: PublicKey) -> Option<Identity>;
        create_identity(key: PublicKey, standing: Standing, at: Timestamp) -> Created;
        identities(after: Option<String>, limit: u32) -> IdentityPage;
        identities_by_standing(standing: Standing, after: Option<String>, limit: u32)
            -> IdentityPage;
        count_identities() -> StandingCounts;
        write_identity(identity: &Identity, write: IdentityWrite) -> Identity;
        write_override(identity: &Identity, write: &OverrideWrite) -> Identity;
        erase_identity(key: PublicKey) -> Erased;
        leave(key: PublicKey, at: Timestamp) -> Erased;
    }
    MessageStore {
        append(owner: &Identity, message: Message) -> ();
        history(owner: &Identity, limit: u32, except: &RunId) -> Vec<Message>;
        has_message(owner: &Identity, id: &MessageId) -> bool;
        set_metadata(owner: &Identity, id: &MessageId, metadata: Metadata) -> bool;
        remove_messages(owner: &Identity, ids: &[MessageId]) -> u64;
        messages(owner: &Identity, limit: u32, before: Option<Cursor>) -> MessagePage;
        run_messages(owner: &Identity, run: &RunId, limit: u32, before: Option<Cursor>)
            -> MessagePage;
        place(owner: &Identity, message: &Message) -> Option<Cursor>;
    }
    SessionStore {
        create_session(session: Session) -> ();
        session(digest: TokenDigest) -> Option<Session>;
        sessions(owner: PublicKey) -> Vec<Session>;
        revoke_session(owner: PublicKey, id: SessionId) -> bool;
        revoke_sessions(owner: PublicKey, except: Option<TokenDigest>) -> u64;
        touch_session(digest: TokenDigest, at: Timestamp) -> ();
    }
    ApiKeyStore {
        create_api_key(owner: &Identity, key: ApiKey) -> ();
        api_key(id: ApiKeyId) -> Option<ApiKey>;
        api_keys(owner: PublicKey) -> Vec<ApiKey>;
        revoke_api_key(owner: PublicKey, id: ApiKeyId, at: Timestamp) -> bool;
        touch_api_key(id: ApiKeyId, at: Timestamp) -> ();
    }
    InstallationStore {
        installation_secret(candidate: InstallationSecret) -> InstallationSecret;
    }
    NonceStore {
        use_nonce(nonce: NonceId, at: Timestamp, expires_at: Timestamp) -> bool;
    }
    AuditStore {
        append_audit(new: NewAudit) -> AuditEntry;
        audit(after: u64, limit: u32) -> AuditPage;
        audit_about(key: PublicKey, after: u64, limit: u32) -> AuditPage;
        audit_head() -> Option<AuditHead>;
    }
    UsageStore {
        add_usage(registered_at: Timestamp, run: &RunId, key: UsageKey, count: UsageCount) -> ();
        usage(owner: PublicKey, from: NaiveDate, to: NaiveDate) -> Vec<Usage>;
    }
    QuarantineStore {
        unreadable(collection: Collection, after: Option<String>, limit: u32) -> UnreadablePage;
        delete_unreadable(collection: Collection, id: String) -> Option<Erased>;
    }
    CounterStore {
        tell_running(running: Running, at: Timestamp) -> u64;
        add_to_counter(counter: Counter, by: u64, at: Timestamp) -> u64;
    }
}

impl<O: Observer> RunStore for Observed<O> {}

#[async_trait]
impl<O: Observer> Store for Observed<O> {
    fn evictions(&self) -> Evictions {
        self.store.evictions()
    }

    async fn lease(&self, purpose: Purpose) -> Result<Lease, StoreError> {
        self.store.lease(purpose).await
    }

    async fn purge(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.observer.before("purge")?;
        self.store.purge(at).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.observer.before("ping")?;
        self.store.ping().await
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.observer.before("facts")?;
        self.store.facts().await
    }
}
