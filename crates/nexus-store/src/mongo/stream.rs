//! Listens to the database's change stream, and starts again where it broke.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mongodb::bson::{Document, Timestamp, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::{ChangeStreamEvent, OperationType, ResumeToken};
use mongodb::error::Error;
use mongodb::options::FullDocumentType;
use nexus_core::PublicKey;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::calls::Calls;
use super::changes::Changes;
use super::data::{API_KEYS, CONFIGURATIONS, Data, IDENTITIES, META, NODES, SESSIONS, TOUCHED};
use super::documents;
use super::fault;
use super::pulse::Pulse;

/// How long an idle database may take to say that there is nothing.
const SILENCE: Duration = Duration::from_millis(500);
/// A stream that has not answered for so long is given up.
const HANGING: Duration = Duration::from_secs(4);
/// How long to wait before a stream is asked for again.
const AGAIN: Duration = Duration::from_millis(250);

/// The server has no change streams: it is not a member of a replica set.
const NOT_A_REPLICA_SET: i32 = 40_573;
/// What the stream should go on after is not known (any more).
const LOST: [i32; 3] = [260, 280, 286];

type Stream = ChangeStream<ChangeStreamEvent<Document>>;

/// Why a stream is listened to no longer.
enum End {
    /// What was prepared may be gone: a collection with its indexes, or the data's own form.
    Unprepared,
    Broken(Error),
    /// It does not answer. Nobody waits for it any more.
    Hanging,
}

/// Listens for the store.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    data: Arc<Data>,
    changes: Changes,
    pulse: Arc<Pulse>,
    calls: Calls,
    /// Where to go on.
    token: Arc<Mutex<Option<ResumeToken>>>,
    /// Nobody waits for this task any more.
    left_alone: Arc<AtomicBool>,
}

impl Listener {
    pub(super) fn new(data: Arc<Data>, changes: Changes, pulse: Arc<Pulse>, calls: Calls) -> Self {
        Self {
            data,
            changes,
            pulse,
            calls,
            token: Arc::default(),
            left_alone: Arc::default(),
        }
    }

    /// Listens until the database has to be prepared again. `tried` is called each time that a
    /// stream was asked for.
    pub(super) async fn follow(&self, tried: impl Fn()) {
        let mut silent = false;
        loop {
            let opened = self
                .apart(async move |listener| listener.open().await)
                .await;
            let is_alone = matches!(
                &opened,
                Some(Err(error)) if fault::code(error) == Some(NOT_A_REPLICA_SET)
            );
            self.changes.set_alone(is_alone);
            // In this order: whoever reads again because of this must find the store ready.
            tried();
            self.changes.doubt_template();
            let end = match opened {
                Some(Ok(stream)) => {
                    if std::mem::take(&mut silent) {
                        tracing::info!("changes of other nodes are heard again");
                    }
                    self.listen(stream).await
                }
                Some(Err(error)) => End::Broken(error),
                None => End::Hanging,
            };
            self.changes.stopped();
            let reason = match end {
                End::Unprepared => return,
                End::Broken(_) if is_alone => {
                    tracing::warn!(
                        "the database is not a replica set: Nexus cannot hear of changes and reads \
                         everything again and again; start mongod with --replSet"
                    );
                    return std::future::pending().await;
                }
                End::Broken(error) => {
                    if fault::code(&error).is_some_and(|code| LOST.contains(&code)) {
                        *self.token() = None;
                    }
                    fault::reason(&error)
                }
                End::Hanging => "the database does not answer".to_owned(),
            };
            if !std::mem::replace(&mut silent, true) {
                tracing::warn!(reason, "changes of other nodes are not heard at the moment");
            }
            sleep(AGAIN).await;
        }
    }

    async fn open(&self) -> Result<Stream, Error> {
        let stream = self
            .data
            .database
            .watch()
            .pipeline(pipeline(&self.pulse))
            .full_document(FullDocumentType::UpdateLookup)
            .max_await_time(SILENCE);
        let token = self.token().clone();
        if token.is_some() {
            return stream.resume_after(token).await;
        }
        // What happened up to the beginning is found by whoever reads from now on: reads include
        // it, even if no majority has confirmed it yet. What happens after it is heard.
        let mut session = self.data.client.start_session().await?;
        let ping = self.data.database.run_command(doc! {"ping": 1});
        ping.session(&mut session).await?;
        let Some(beginning) = session.operation_time() else {
            return stream.await;
        };
        let stream = stream.start_at_operation_time(beginning).await?;
        doubt(&self.changes, Some(beginning));
        Ok(stream)
    }

    /// Tells what is heard until the stream ends.
    async fn listen(&self, stream: Stream) -> End {
        self.changes.answered();
        let heard = self.apart(async move |listener| listener.hear(stream).await);
        heard.await.unwrap_or(End::Hanging)
    }

    /// Does `work` in a task of its own, which is left alone when the database does not answer any
    /// more: the driver must not be stopped in the middle of a call.
    async fn apart<T: Send + 'static, Work>(&self, work: impl FnOnce(Self) -> Work) -> Option<T>
    where
        Work: Future<Output = T> + Send + 'static,
    {
        let left_alone = Arc::new(AtomicBool::new(false));
        let listener = Self {
            left_alone: Arc::clone(&left_alone),
            ..self.clone()
        };
        let (done, mut is_done) = oneshot::channel();
        let work = work(listener);
        // Also when nobody waits any more, because the store is closed.
        let _leave = LeaveAlone(left_alone);
        self.calls.keep(async move {
            _ = done.send(work.await);
        });
        loop {
            let answers = self.changes.answers();
            tokio::select! {
                done = &mut is_done => return done.ok(),
                () = sleep(HANGING) => if self.changes.answers() == answers {
                    return None;
                }
            }
        }
    }

    async fn hear(&self, mut stream: Stream) -> End {
        while stream.is_alive() {
            let heard = match stream.next_if_any().await {
                Ok(heard) => heard,
                Err(error) => return End::Broken(error),
            };
            if self.left_alone.load(Ordering::Acquire) {
                return End::Hanging;
            }
            self.changes.answered();
            // What is told now is not told again.
            let token = stream.resume_token();
            let Some(event) = heard else {
                *self.token() = token;
                continue;
            };
            tell(&event, &self.changes, &self.pulse);
            *self.token() = token;
            match event.operation_type {
                OperationType::Drop | OperationType::Rename => return End::Unprepared,
                OperationType::DropDatabase => break,
                _ if collection(&event) == Some(META) => return End::Unprepared,
                _ => {}
            }
        }
        // The stream of a database ends with it: there is nothing to go on after.
        *self.token() = None;
        End::Unprepared
    }

    fn token(&self) -> MutexGuard<'_, Option<ResumeToken>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only what happened to whom: the documents themselves are not sent, nor that something was used.
fn pipeline(pulse: &Pulse) -> [Document; 2] {
    [
        doc! {"$match": {"$or": [
            {"ns.coll": {"$in": [CONFIGURATIONS, IDENTITIES, META]}},
            {"ns.coll": {"$in": [SESSIONS, API_KEYS]}, "$nor": touched().to_vec()},
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
    ]
}

/// That something was used. Whoever does that changes nothing else.
fn touched() -> [Document; 2] {
    TOUCHED.map(|field| {
        let path = format!("updateDescription.updatedFields.{field}");
        doc! {path: {"$exists": true}}
    })
}

fn collection(event: &ChangeStreamEvent<Document>) -> Option<&str> {
    event.ns.as_ref()?.coll.as_deref()
}

/// Tells whose document was changed, or that it cannot be told.
fn tell(event: &ChangeStreamEvent<Document>, changes: &Changes, pulse: &Pulse) {
    let at = event.cluster_time;
    let is_one = matches!(
        event.operation_type,
        OperationType::Insert
            | OperationType::Update
            | OperationType::Replace
            | OperationType::Delete
    );
    match collection(event).filter(|_| is_one) {
        Some(CONFIGURATIONS) => changes.tell_template(at),
        Some(collection @ (SESSIONS | API_KEYS)) => {
            let id = event.document_key.as_ref().and_then(|key| key.get("_id"));
            if let Some(subject) = id.and_then(|id| documents::subject(collection, id)) {
                changes.tell(subject, at);
            }
        }
        Some(IDENTITIES) => match identity(event) {
            Some(key) => changes.tell(key, at),
            None => doubt(changes, at),
        },
        Some(NODES) => pulse.heard(event),
        Some(META) => {}
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

/// Tells work of its own task that nobody waits for it any more.
struct LeaveAlone(Arc<AtomicBool>);

impl Drop for LeaveAlone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
