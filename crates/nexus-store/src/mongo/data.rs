//! The collections, their indexes, and the order of messages.

use std::time::Duration;

use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::error::Error;
use mongodb::options::{IndexOptions, ReturnDocument};
use mongodb::{Client, ClientSession, Collection, Database, IndexModel};

use super::changes::Changes;
use super::fault;

pub(super) const CONFIGURATIONS: &str = "configurations";
const VERSIONS: &str = "configuration_versions";
pub(super) const IDENTITIES: &str = "identities";
const MESSAGES: &str = "messages";
pub(super) const SESSIONS: &str = "sessions";
pub(super) const NODES: &str = "nodes";

/// How long the document of a node that is gone is kept.
const LAST_SEEN: Duration = Duration::from_secs(3600);

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
    /// Each node's [`pulse`](super::pulse).
    pub(super) nodes: Collection<RawDocumentBuf>,
}

impl Data {
    pub(super) fn new(client: Client, database: &str) -> Self {
        let database = client.database(database);
        Self {
            configurations: database.collection(CONFIGURATIONS),
            versions: database.collection(VERSIONS),
            identities: database.collection(IDENTITIES),
            messages: database.collection(MESSAGES),
            sessions: database.collection(SESSIONS),
            nodes: database.collection(NODES),
            database,
            client,
        }
    }

    /// A session whose reads include every change that is known here, whichever member answers.
    pub(super) async fn session_after(&self, changes: &Changes) -> Result<ClientSession, Error> {
        let mut session = self.client.start_session().await?;
        if let Some(known) = changes.known() {
            session.advance_operation_time(known);
        }
        Ok(session)
    }

    /// Creates the indexes that are missing. Any number of nodes may do this at once.
    ///
    /// Unique ones begin with what a collection would be sharded by, as MongoDB demands.
    pub(super) async fn prepare(&self) -> Result<(), String> {
        let wanted = [
            (&self.configurations, vec![unique(doc! {"environment": 1})]),
            (
                &self.versions,
                vec![unique(doc! {"environment": 1, "version": -1})],
            ),
            (&self.identities, vec![unique(doc! {"public_key": 1})]),
            (
                &self.messages,
                vec![plain(newest_first(doc! {"owner_key": 1}))],
            ),
            (&self.sessions, vec![plain(doc! {"owner_key": 1})]),
            (&self.nodes, vec![expiring("at", LAST_SEEN)]),
        ];
        for (collection, indexes) in wanted {
            collection
                .create_indexes(indexes)
                .await
                .map_err(|error| not_prepared(collection.name(), &error))?;
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

fn not_prepared(collection: &str, error: &Error) -> String {
    if fault::is_duplicate(error) {
        format!(
            "the collection {collection} holds two documents where there may be one (the same \
             environment or public key twice): remove one of them"
        )
    } else {
        fault::reason(error)
    }
}
