//! The collections, their indexes, and the order of messages.

use std::time::Duration;

use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::error::Error;
use mongodb::options::{IndexOptions, ReturnDocument};
use mongodb::{Client, Collection, Database, IndexModel};
use tokio::sync::Mutex;

use super::connect::{self, ConnectError, MongoOptions};
use super::{documents, fault};
use crate::StoreError;

const CONFIGURATIONS: &str = "configurations";
const VERSIONS: &str = "configuration_versions";
const IDENTITIES: &str = "identities";
const MESSAGES: &str = "messages";
pub(super) const SESSIONS: &str = "sessions";
pub(super) const API_KEYS: &str = "api_keys";
const NODES: &str = "nodes";
const META: &str = "meta";

/// The newest form of all collections that this program knows.
const SCHEMA: i64 = 1;

/// How long a session is kept after its end. Only to save room: whether it is live is always asked.
const EXPIRED: Duration = Duration::from_hours(24);

/// How long an API key is kept that was revoked or has expired: [`API_KEY_KEPT`](crate::API_KEY_KEPT).
const API_KEY_GONE: Duration = Duration::from_hours(30 * 24);

/// How long used nonces and counters are kept after their end: the clocks of nodes and of the
/// database differ a little.
const GRACE: Duration = Duration::from_hours(1);

/// How long the document of a node that is gone is kept.
const LAST_SEEN: Duration = Duration::from_hours(1);

/// The data, as the specification lays it out.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) client: Client,
    pub(super) database: Database,
    /// The current template of each environment.
    pub(super) configurations: Collection<RawDocumentBuf>,
    /// Every version that there was.
    pub(super) versions: Collection<RawDocumentBuf>,
    pub(super) identities: Collection<RawDocumentBuf>,
    pub(super) messages: Collection<RawDocumentBuf>,
    pub(super) sessions: Collection<RawDocumentBuf>,
    pub(super) api_keys: Collection<RawDocumentBuf>,
    pub(super) installation: Collection<RawDocumentBuf>,
    pub(super) nonces: Collection<RawDocumentBuf>,
    pub(super) audit: Collection<RawDocumentBuf>,
    /// Held while this node makes an API key, so that only nodes meet.
    pub(super) api_key_turn: Mutex<()>,
    /// Held while this node appends to the audit.
    pub(super) audit_turn: Mutex<()>,
    pub(super) usage: Collection<RawDocumentBuf>,
    pub(super) counters: Collection<RawDocumentBuf>,
    /// The runs in progress on all nodes.
    pub(super) runs: Collection<RawDocumentBuf>,
    /// One document of each [`node`](super::node).
    pub(super) nodes: Collection<RawDocumentBuf>,
    /// One document, `schema`: the version of the form that all of this has.
    pub(super) meta: Collection<RawDocumentBuf>,
}

impl Data {
    /// The database that `uri` names, or `default_database`, and where it is, for people; without
    /// secrets. Whether it answers is not known yet.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub(super) async fn open(
        uri: &str,
        default_database: &str,
        options: &MongoOptions,
    ) -> Result<(Self, String), ConnectError> {
        let (client, database) = connect::client(uri, default_database, options).await?;
        let location = connect::location(uri, &database);
        Ok((Self::new(client, &database), location))
    }

    fn new(client: Client, database: &str) -> Self {
        let database = client.database(database);
        Self {
            configurations: database.collection(CONFIGURATIONS),
            versions: database.collection(VERSIONS),
            identities: database.collection(IDENTITIES),
            messages: database.collection(MESSAGES),
            sessions: database.collection(SESSIONS),
            api_keys: database.collection(API_KEYS),
            installation: database.collection("installation"),
            nonces: database.collection("used_nonces"),
            audit: database.collection("audit"),
            api_key_turn: Mutex::new(()),
            audit_turn: Mutex::new(()),
            usage: database.collection("usage"),
            counters: database.collection("counters"),
            runs: database.collection("runs"),
            nodes: database.collection(NODES),
            meta: database.collection(META),
            database,
            client,
        }
    }

    /// Refuses a database that a newer Nexus has taken over, and creates the indexes that are
    /// missing. Any number of nodes may do this at once.
    pub(super) async fn prepare(&self) -> Result<(), StoreError> {
        let found = self.schema().await?;
        self.create_indexes().await?;
        if found < SCHEMA {
            // Never lower than what somebody else has written meanwhile.
            let raised = doc! {"$max": {"version": SCHEMA}};
            let raised = self.meta.update_one(schema_document(), raised);
            raised.upsert(true).await?;
        }
        Ok(())
    }

    /// The version of the form that the data has, 0 for none.
    ///
    /// # Errors
    /// When a newer Nexus has taken over.
    pub(super) async fn schema(&self) -> Result<i64, StoreError> {
        let found = self.meta.find_one(schema_document()).await?;
        let found = found.map_or(Ok(0), |found| documents::schema(&found))?;
        if found > SCHEMA {
            let known = SCHEMA;
            return Err(StoreError::TooNew { found, known });
        }
        Ok(found)
    }

    /// Unique ones begin with what a collection would be sharded by, as MongoDB demands.
    async fn create_indexes(&self) -> Result<(), StoreError> {
        let wanted = [
            (&self.configurations, vec![unique(doc! {"environment": 1})]),
            (
                &self.versions,
                vec![unique(doc! {"environment": 1, "version": -1})],
            ),
            (
                &self.identities,
                vec![
                    unique(doc! {"public_key": 1}),
                    plain(doc! {"standing": 1, "public_key": 1}),
                ],
            ),
            (
                &self.messages,
                vec![
                    plain(newest_first(doc! {"owner_key": 1})),
                    plain(newest_first(doc! {"owner_key": 1, "run_id": 1})),
                ],
            ),
            (
                &self.api_keys,
                vec![
                    plain(doc! {"owner_key": 1, "created_at": -1, "_id": -1}),
                    expiring("expires_at", API_KEY_GONE),
                    expiring("revoked_at", API_KEY_GONE),
                ],
            ),
            (&self.nonces, vec![expiring("expires_at", GRACE)]),
            (
                &self.audit,
                vec![
                    plain(doc! {"actor": 1, "_id": 1}),
                    plain(doc! {"target": 1, "_id": 1}),
                ],
            ),
            (
                &self.usage,
                vec![unique(doc! {"owner_key": 1, "day": 1, "model": 1})],
            ),
            (
                &self.counters,
                vec![plain(doc! {"owner_key": 1}), expiring("expires_at", GRACE)],
            ),
            (
                &self.sessions,
                vec![
                    plain(doc! {"owner_key": 1}),
                    expiring("expires_at", EXPIRED),
                ],
            ),
            (
                &self.runs,
                vec![
                    plain(doc! {"owner_key": 1}),
                    plain(doc! {"node": 1}),
                    expiring("until", GRACE),
                ],
            ),
            (&self.nodes, vec![expiring("at", LAST_SEEN)]),
        ];
        for (collection, indexes) in wanted {
            collection
                .create_indexes(indexes)
                .await
                .map_err(|error| not_prepared(collection.name(), error))?;
        }
        Ok(())
    }
}

/// The order of messages.
///
/// `seq` is set by the primary when a message arrives: a timestamp of its logical clock, which
/// gives no value twice and never goes back, whatever the clocks of the nodes say. Messages of the
/// original Python NEXUS have none. They are the oldest, in the order of their timestamps.
pub(super) fn newest_first(mut keys: Document) -> Document {
    keys.extend(doc! {"seq": -1, "timestamp": -1, "_id": -1});
    keys
}

fn schema_document() -> Document {
    doc! {"_id": "schema"}
}

/// What a changed document is wanted as.
pub(super) const AS_IT_IS_NOW: ReturnDocument = ReturnDocument::After;

fn unique(keys: Document) -> IndexModel {
    let options = IndexOptions::builder().unique(true).build();
    IndexModel::builder().keys(keys).options(options).build()
}

/// Documents go some time after the moment in this field. That may take a minute longer.
fn expiring(field: &str, after: Duration) -> IndexModel {
    let options = IndexOptions::builder().expire_after(after).build();
    let keys = doc! {field: 1};
    IndexModel::builder().keys(keys).options(options).build()
}

fn plain(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

fn not_prepared(collection: &str, error: Error) -> StoreError {
    if !fault::is_duplicate(&error) {
        return error.into();
    }
    let reason = format!(
        "the collection {collection} holds two documents where there may be one (the same \
         environment or public key twice): remove one of them"
    );
    StoreError::Unavailable { reason }
}
