//! Everything that an installation keeps, as a stream of records: what `nexus migrate` moves from
//! one store to another. No request ever comes here.
//!
//! The sets are closed on purpose. A new kind of data is a [`Kind`] and a [`Record`], and nothing
//! compiles until every store can give it and take it.

mod transfer;

use std::iter::successors;

use async_trait::async_trait;
use chrono::TimeDelta;
use nexus_core::auth::InstallationSecret;
use nexus_core::{
    ApiKey, ApiScope, AuditEntry, Environment, Identity, Message, NonceId, Overrides, PublicKey,
    Session, Standing, Timestamp, Usage,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{API_KEY_KEPT, StoreError, StoredTemplate};

pub use self::transfer::{
    Checked, Progress, Step, Sum, Survey, Tally, Transfer, TransferError, Watch,
};

/// How many records are read or written at a time.
pub const BATCH: u32 = 1000;

/// What there is to move, in the order in which it is moved. Templates are the last: a server in
/// production is not ready without one, and so does not serve from half a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`Record::Identity`]
    Identities,
    /// [`Record::Message`]
    Messages,
    /// [`Record::Session`]
    Sessions,
    /// [`Record::ApiKey`]
    ApiKeys,
    /// [`Record::Usage`]
    Usage,
    /// [`Record::UsedNonce`]
    UsedNonces,
    /// [`Record::Audit`]
    Audit,
    /// [`Record::Secret`]
    Secret,
    /// [`Record::Template`]
    Templates,
}

impl Kind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        successors(Some(Self::Identities), |kind| kind.next())
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::Identities => Some(Self::Messages),
            Self::Messages => Some(Self::Sessions),
            Self::Sessions => Some(Self::ApiKeys),
            Self::ApiKeys => Some(Self::Usage),
            Self::Usage => Some(Self::UsedNonces),
            Self::UsedNonces => Some(Self::Audit),
            Self::Audit => Some(Self::Secret),
            Self::Secret => Some(Self::Templates),
            Self::Templates => None,
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identities => "identities",
            Self::Messages => "messages",
            Self::Sessions => "sessions",
            Self::ApiKeys => "API keys",
            Self::Usage => "usage",
            Self::UsedNonces => "used nonces",
            Self::Audit => "audit entries",
            Self::Secret => "secret of the installation",
            Self::Templates => "template versions",
        }
    }
}

/// One thing that is kept, whole.
#[derive(Clone, Debug)]
pub enum Record {
    /// In the order of their keys.
    Identity(WholeIdentity),
    /// By owner, the largest key first; the messages of one owner in their order, oldest first.
    Message(Message),
    /// In the order of their digests.
    Session(Session),
    /// In the order of their ids.
    ApiKey(ApiKey),
    /// By owner, then day, then model.
    Usage(Usage),
    /// In the order of their ids.
    UsedNonce(UsedNonce),
    /// In the order of the chain, and as it is: the hashes stay true.
    Audit(AuditEntry),
    /// One or none. What was signed or made with it stays valid.
    Secret(InstallationSecret),
    /// By environment, as [`ENVIRONMENTS`] has them; the versions of each in their order.
    Template(StoredTemplate),
}

/// An identity with everything that is stored in its maps, also what Nexus does not know.
#[derive(Clone, Debug)]
pub struct WholeIdentity {
    /// The address.
    pub public_key: PublicKey,
    /// When it was registered.
    pub created_at: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// Whether it is an administrator.
    pub is_admin: bool,
    /// As it is stored.
    pub metadata: Map<String, Value>,
    /// As it is stored.
    pub config_overrides: Map<String, Value>,
    /// As it is stored.
    pub prompt_overrides: Map<String, Value>,
    /// Counts the writes to it.
    pub version: u64,
}

impl From<WholeIdentity> for Identity {
    /// The part of it that Nexus works with.
    fn from(whole: WholeIdentity) -> Self {
        Self {
            public_key: whole.public_key,
            created_at: whole.created_at,
            standing: whole.standing,
            is_admin: whole.is_admin,
            overrides: Overrides::from_stored(&whole.config_overrides, &whole.prompt_overrides),
            metadata: whole.metadata,
            version: whole.version,
        }
    }
}

/// A nonce that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedNonce {
    /// Its id.
    pub id: NonceId,
    /// From then on it is refused anyway.
    pub expires_at: Timestamp,
}

/// What ended so long before a move is left behind. Stores remove such things by themselves some
/// time later than that, in the middle of a move as well.
const ENDED: TimeDelta = TimeDelta::minutes(30);

/// The environments in the order in which their templates are moved.
pub const ENVIRONMENTS: [Environment; 2] = [Environment::Development, Environment::Production];

impl Record {
    /// What it is called in messages to people.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Identity(identity) => format!("identity {}", identity.public_key),
            Self::Message(message) => format!("message {}", message.id),
            Self::Session(session) => format!("a session of {}", session.owner_key),
            Self::ApiKey(key) => format!("API key {}", key.id),
            Self::Usage(usage) => {
                let key = &usage.key;
                format!("the usage of {} by {} on {}", key.model, key.owner, key.day)
            }
            Self::UsedNonce(_) => "a used nonce".to_owned(),
            Self::Audit(entry) => format!("audit entry {}", entry.seq),
            Self::Secret(_) => "the secret of the installation".to_owned(),
            Self::Template(template) => format!(
                "version {} of the {} template",
                template.version, template.environment
            ),
        }
    }

    /// Whether it has ended, so that nobody needs it any more: its life was over a while before
    /// `at`.
    #[must_use]
    pub fn has_ended(&self, at: Timestamp) -> bool {
        let ended = |expires_at| expires_at < at - ENDED;
        match self {
            Self::Session(session) => ended(session.expires_at),
            // An hour before a store removes it.
            Self::ApiKey(key) => {
                let end = key
                    .revoked_at
                    .map_or(key.expires_at, |at| at.min(key.expires_at));
                end < at - API_KEY_KEPT + TimeDelta::hours(1)
            }
            Self::UsedNonce(nonce) => ended(nonce.expires_at),
            Self::Identity(_)
            | Self::Message(_)
            | Self::Usage(_)
            | Self::Audit(_)
            | Self::Secret(_)
            | Self::Template(_) => false,
        }
    }

    /// One line of JSON that says all of it, the same for every store. Two records are equal if
    /// their lines are; the checksum of a kind is the SHA-256 of all its lines.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let value = match self {
            Self::Identity(identity) => json!([
                identity.public_key,
                identity.created_at.timestamp_millis(),
                identity.standing.as_str(),
                identity.is_admin,
                identity.metadata,
                identity.config_overrides,
                identity.prompt_overrides,
                identity.version,
            ]),
            Self::Message(message) => json!([
                message.id,
                message.run_id,
                message.owner_key,
                message.role,
                message.content,
                message.timestamp.timestamp_millis(),
                message.metadata.to_map(),
            ]),
            Self::Session(session) => json!([
                session.digest.as_bytes(),
                session.owner_key,
                session.scope.as_str(),
                session.created_at.timestamp_millis(),
                session.expires_at.timestamp_millis(),
                session.last_seen_at.timestamp_millis(),
                session.idle.map(|idle| idle.num_milliseconds()),
                session.client.as_str(),
            ]),
            Self::ApiKey(key) => json!([
                key.id,
                key.digest.as_bytes(),
                key.owner_key,
                key.name.as_str(),
                key.scopes.iter().map(ApiScope::as_str).collect::<Vec<_>>(),
                key.models,
                key.created_at.timestamp_millis(),
                key.expires_at.timestamp_millis(),
                key.last_used_at.map(|at| at.timestamp_millis()),
                key.revoked_at.map(|at| at.timestamp_millis()),
            ]),
            Self::Usage(usage) => json!(nexus_api::usage::Usage::from(usage.clone())),
            Self::UsedNonce(nonce) => {
                json!([nonce.id.as_bytes(), nonce.expires_at.timestamp_millis()])
            }
            Self::Audit(entry) => json!(nexus_api::audit::AuditEntry::from(entry.clone())),
            Self::Secret(secret) => json!(secret.expose()),
            Self::Template(template) => json!([
                template.environment,
                template.version,
                template.doc,
                template.author,
                template.created_at.timestamp_millis(),
                template.hash,
            ]),
        };
        let mut line = value.to_string().into_bytes();
        line.push(b'\n');
        line
    }
}

/// Some records in a row.
#[derive(Debug, Default)]
pub struct Batch {
    /// [`StoreError::Corrupt`] stands for a record that cannot be read.
    pub records: Vec<Result<Record, StoreError>>,
    /// Fields beside those of the records, such as `identities.nickname`, one entry each time that
    /// one was met. They are not part of a record and are not moved.
    pub unknown: Vec<String>,
}

/// Reads the records of one kind, in their order.
#[async_trait]
pub trait Reader: Send {
    /// The next records. An empty batch is the end.
    async fn next(&mut self) -> Result<Batch, StoreError>;
}

/// A store, seen as all that is in it. Nobody else should write to it meanwhile.
#[async_trait]
pub trait Installation: Send + Sync {
    /// Where it is, for people; without secrets.
    fn location(&self) -> String;

    /// How many records of `kind` there are.
    async fn count(&self, kind: Kind) -> Result<u64, StoreError>;

    /// Reads from the first record on.
    async fn read(&self, kind: Kind) -> Result<Box<dyn Reader + '_>, StoreError>;

    /// Makes what records need, before the first is added.
    async fn make_ready(&self) -> Result<(), StoreError>;

    /// Adds records of one kind after those that are there, in this order. When it fails, or the
    /// program is killed, the first few of them may have been added, and no others.
    async fn add(&self, records: &[Record]) -> Result<(), StoreError>;
}

/// Every version of every template, one by one.
#[async_trait]
pub(crate) trait Versions: Send + Sync {
    /// Some versions older than `before`, newest first.
    async fn versions(
        &self,
        environment: Environment,
        before: Option<u64>,
    ) -> Result<Vec<u64>, StoreError>;

    /// One of them.
    async fn version(
        &self,
        environment: Environment,
        version: u64,
    ) -> Result<Option<StoredTemplate>, StoreError>;
}

/// Reads templates. Documents are read one by one, as there may be many, and each may be large.
pub(crate) struct Templates<'a> {
    store: &'a dyn Versions,
    /// What is still to be read, the next one last.
    pub(crate) waiting: Vec<(Environment, u64)>,
}

impl<'a> Templates<'a> {
    pub(crate) async fn new(store: &'a dyn Versions) -> Result<Self, StoreError> {
        let mut waiting = Vec::new();
        for environment in ENVIRONMENTS.into_iter().rev() {
            let mut before = None;
            loop {
                let page = store.versions(environment, before).await?;
                let Some(last) = page.last() else { break };
                before = Some(*last);
                waiting.extend(page.into_iter().map(|version| (environment, version)));
            }
        }
        Ok(Self { store, waiting })
    }
}

#[async_trait]
impl Reader for Templates<'_> {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        let Some((environment, version)) = self.waiting.pop() else {
            return Ok(Batch::default());
        };
        let read = match self.store.version(environment, version).await {
            Ok(Some(template)) => Ok(Record::Template(template)),
            Ok(None) => Err(StoreError::Conflict {
                what: format!("version {version} of the {environment} template"),
            }),
            Err(error @ StoreError::Corrupt { .. }) => Err(error),
            Err(error) => return Err(error),
        };
        Ok(Batch {
            records: vec![read],
            unknown: Vec::new(),
        })
    }
}

/// A store that does not exist yet, to look at before it is made.
#[derive(Clone, Debug)]
pub struct Nowhere {
    /// Where it would be.
    pub location: String,
}

#[async_trait]
impl Installation for Nowhere {
    fn location(&self) -> String {
        self.location.clone()
    }

    async fn count(&self, _: Kind) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn read(&self, _: Kind) -> Result<Box<dyn Reader + '_>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    async fn make_ready(&self) -> Result<(), StoreError> {
        self.add(&[]).await
    }

    async fn add(&self, _: &[Record]) -> Result<(), StoreError> {
        Err(StoreError::Unavailable {
            reason: format!("{} does not exist", self.location),
        })
    }
}

#[async_trait]
impl Reader for Nowhere {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        Ok(Batch::default())
    }
}
