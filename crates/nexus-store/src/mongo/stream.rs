//! Listens to the database's change stream, and starts again where it broke.

use std::time::Duration;

use mongodb::bson::{Bson, Document, Timestamp, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::{ChangeStreamEvent, OperationType, ResumeToken};
use mongodb::error::Error;
use mongodb::options::FullDocumentType;
use nexus_core::{PublicKey, TokenDigest};
use tokio::time::sleep;

use super::changes::Changes;
use super::data::{CONFIGURATIONS, Data, IDENTITIES, NODES, SESSIONS};
use super::documents;
use super::fault;
use super::pulse::Pulse;

/// How long an idle database may take to say that there is nothing.
const SILENCE: Duration = Duration::from_millis(500);
/// How long to wait before a stream is asked for again.
const AGAIN: Duration = Duration::from_millis(250);

/// The server has no change streams: it is not a member of a replica set.
const NOT_A_REPLICA_SET: i32 = 40_573;
/// What the stream should go on after is not known (any more).
const LOST: [i32; 3] = [260, 280, 286];

type Stream = ChangeStream<ChangeStreamEvent<Document>>;

/// Why a stream is listened to no longer.
enum End {
    /// A collection is gone, and its indexes with it.
    Dropped,
    Broken(Error),
}

/// Listens for as long as it is polled. `tried` is called each time that a stream was asked for.
pub(super) async fn follow(data: &Data, changes: &Changes, pulse: &Pulse, mut tried: impl FnMut()) {
    let mut token = None;
    let mut silent = false;
    loop {
        let opened = open(data, changes, pulse, token.clone()).await;
        // In this order: whoever reads again because of this must find the store ready.
        tried();
        changes.doubt_template();
        let end = match opened {
            Ok(mut stream) => {
                if std::mem::take(&mut silent) {
                    tracing::info!("changes of other nodes are heard again");
                }
                listen(&mut stream, changes, pulse, &mut token).await
            }
            Err(error) => End::Broken(error),
        };
        changes.stopped();
        match end {
            End::Dropped => {
                tracing::warn!(
                    "somebody dropped or renamed a collection: making the indexes again"
                );
                while let Err(reason) = data.prepare().await {
                    tracing::warn!(reason, "the indexes cannot be made: trying again");
                    sleep(AGAIN).await;
                }
            }
            End::Broken(error) if fault::code(&error) == Some(NOT_A_REPLICA_SET) => {
                tracing::warn!(
                    "the database is not a replica set: Nexus cannot hear of changes and reads \
                     everything again and again; start mongod with --replSet"
                );
                return std::future::pending().await;
            }
            End::Broken(error) => {
                if fault::code(&error).is_some_and(|code| LOST.contains(&code)) {
                    token = None;
                }
                if !std::mem::replace(&mut silent, true) {
                    let reason = fault::reason(&error);
                    tracing::warn!(reason, "changes of other nodes are not heard at the moment");
                }
            }
        }
        sleep(AGAIN).await;
    }
}

async fn open(
    data: &Data,
    changes: &Changes,
    pulse: &Pulse,
    token: Option<ResumeToken>,
) -> Result<Stream, Error> {
    // Only what happened to whom: the documents themselves are not sent.
    let pipeline = [
        doc! {"$match": {"$or": [
            {"ns.coll": {"$in": [CONFIGURATIONS, IDENTITIES, SESSIONS]}},
            {"ns.coll": NODES, "documentKey._id": pulse.node()},
            {"operationType": {"$in": ["drop", "rename", "dropDatabase", "invalidate"]}},
        ]}},
        doc! {"$project": {
            "operationType": 1,
            "clusterTime": 1,
            "ns": 1,
            "documentKey": 1,
            "fullDocument.public_key": 1,
            "updateDescription.updatedFields.public_key": 1,
            "updateDescription.updatedFields.beat": 1,
            "updateDescription.removedFields": 1,
        }},
    ];
    let stream = data
        .database
        .watch()
        .pipeline(pipeline)
        .full_document(FullDocumentType::UpdateLookup)
        .max_await_time(SILENCE);
    if token.is_some() {
        return stream.resume_after(token).await;
    }
    // What happened up to the beginning is found by whoever reads from now on: reads include it,
    // even if no majority has confirmed it yet. What happens after it is heard.
    let mut session = data.client.start_session().await?;
    let ping = data.database.run_command(doc! {"ping": 1});
    ping.session(&mut session).await?;
    let Some(beginning) = session.operation_time() else {
        return stream.await;
    };
    let stream = stream.start_at_operation_time(beginning).await?;
    doubt(changes, Some(beginning));
    Ok(stream)
}

/// Tells what is heard until the stream ends.
async fn listen(
    stream: &mut Stream,
    changes: &Changes,
    pulse: &Pulse,
    token: &mut Option<ResumeToken>,
) -> End {
    while stream.is_alive() {
        // Never dropped halfway: the driver may be in the middle of starting the stream again.
        let heard = match stream.next_if_any().await {
            Ok(heard) => heard,
            Err(error) => return End::Broken(error),
        };
        changes.answered();
        *token = stream.resume_token();
        let Some(event) = heard else { continue };
        tell(&event, changes, pulse);
        match event.operation_type {
            OperationType::Drop | OperationType::Rename => return End::Dropped,
            OperationType::DropDatabase => break,
            _ => {}
        }
    }
    // The stream of a database ends with it: there is nothing to go on after.
    *token = None;
    End::Dropped
}

/// Tells whose document was changed, or that it cannot be told.
fn tell(event: &ChangeStreamEvent<Document>, changes: &Changes, pulse: &Pulse) {
    let at = event.cluster_time;
    let collection = event.ns.as_ref().and_then(|ns| ns.coll.as_deref());
    let is_one = matches!(
        event.operation_type,
        OperationType::Insert
            | OperationType::Update
            | OperationType::Replace
            | OperationType::Delete
    );
    match collection.filter(|_| is_one) {
        Some(CONFIGURATIONS) => changes.tell_template(at),
        // What has no digest for its name, nobody can have asked for.
        Some(SESSIONS) => {
            if let Some(digest) = session(event) {
                changes.tell(digest, at);
            }
        }
        Some(IDENTITIES) => match identity(event) {
            Some(key) => changes.tell(key, at),
            None => doubt(changes, at),
        },
        Some(NODES) => pulse.heard(event),
        _ => {
            doubt(changes, at);
            changes.tell_template(at);
        }
    }
}

fn doubt(changes: &Changes, at: Option<Timestamp>) {
    if let Some(at) = at {
        changes.reach(at);
    }
    changes.doubt();
}

fn session(event: &ChangeStreamEvent<Document>) -> Option<TokenDigest> {
    match event.document_key.as_ref()?.get("_id")? {
        Bson::Binary(name) => documents::digest_of(name.subtype, &name.bytes),
        _ => None,
    }
}

/// Whose identity was changed. On a sharded collection the name of a document holds the key; else
/// it is looked up, which is too late for one that is gone, or that was given to another key.
fn identity(event: &ChangeStreamEvent<Document>) -> Option<PublicKey> {
    let named = event.document_key.as_ref();
    if let Some(key) = named.and_then(|named| named.get_str("public_key").ok()) {
        return key.parse().ok();
    }
    let is_same = match event.operation_type {
        OperationType::Insert => true,
        OperationType::Update => event
            .update_description
            .as_ref()
            .is_some_and(|update| !update.updated_fields.contains_key("public_key")),
        _ => false,
    };
    let document = event.full_document.as_ref().filter(|_| is_same)?;
    document.get_str("public_key").ok()?.parse().ok()
}
