//! Who may have to read again: changes of templates, identities and sessions, heard from the
//! database's change stream and from this node's own writes.
//!
//! While nothing is heard, the number moves by itself all the time: what was read before is not to
//! be trusted then.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mongodb::bson::{Document, Timestamp, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::{ChangeStreamEvent, OperationType, ResumeToken};
use mongodb::error::Error;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::data::{Data, TOUCHED, WATCHED};
use super::fault;

/// How long an idle database may keep silent. It is asked to answer twice in this time.
const SILENCE: Duration = Duration::from_secs(1);
/// How often the number moves while nothing is heard.
const PERIOD: Duration = Duration::from_millis(250);
/// How many of the last changes are remembered.
const REMEMBERED: usize = 1024;

/// The server has no change streams: it is not a member of a replica set.
const NOT_A_REPLICA_SET: i32 = 40_573;
/// What the stream should go on after is not known (any more).
const LOST: [i32; 3] = [260, 280, 286];

/// The number that grows.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    known: watch::Sender<u64>,
    /// A change is heard twice, from the stream and by who made it, and told once. Its moment on
    /// the database's logical clock is its name.
    told: Arc<Mutex<VecDeque<u64>>>,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            known: watch::Sender::new(1),
            told: Arc::default(),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.known.subscribe()
    }

    /// Tells of the change that was made at this moment, once.
    pub(super) fn tell(&self, at: Option<Timestamp>) {
        let Some(at) = at else {
            return self.doubt();
        };
        let number = (u64::from(at.time) << 32) | u64::from(at.increment);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&number) {
            return;
        }
        told.push_back(number);
        if told.len() > REMEMBERED {
            told.pop_front();
        }
        drop(told);
        // The shards of a cluster do not tell in the order of their clocks.
        self.known
            .send_modify(|known| *known = number.max(*known + 1));
    }

    /// Anything may have changed.
    fn doubt(&self) {
        self.known.send_modify(|known| *known += 1);
    }

    /// Waits, and doubts while that takes long. The future is never dropped halfway.
    async fn doubting<T>(&self, patience: Duration, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut doubts = interval_at(Instant::now() + patience, PERIOD);
        doubts.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                done = &mut future => return done,
                _ = doubts.tick() => self.doubt(),
            }
        }
    }
}

/// Listens for as long as it is polled. `tried` is called each time that a stream was asked for.
pub(super) async fn follow(data: &Data, changes: &Changes, mut tried: impl FnMut()) {
    let mut token = None;
    let mut silent = false;
    loop {
        let opened = changes.doubting(SILENCE, open(data, token.clone())).await;
        // In this order: whoever reads again because the number moved must find the store ready.
        tried();
        changes.doubt();
        let error = match opened {
            Ok(mut stream) => {
                if std::mem::take(&mut silent) {
                    tracing::info!("changes of other nodes are heard again");
                }
                listen(&mut stream, changes, &mut token).await
            }
            Err(error) => Some(error),
        };
        match error.as_ref().map(|error| (fault::code(error), error)) {
            // The indexes went with what was dropped.
            None => {
                tracing::warn!(
                    "somebody dropped or renamed a collection: making the indexes again"
                );
                while let Err(reason) = changes.doubting(SILENCE, data.prepare()).await {
                    tracing::warn!(reason, "the indexes cannot be made: trying again");
                    changes.doubting(Duration::ZERO, sleep(PERIOD)).await;
                }
            }
            Some((Some(NOT_A_REPLICA_SET), _)) => {
                tracing::warn!(
                    "the database is not a replica set: Nexus cannot hear of changes and reads \
                     everything again and again; start mongod with --replSet"
                );
                return changes.doubting(PERIOD, std::future::pending()).await;
            }
            Some((code, error)) => {
                if code.is_some_and(|code| LOST.contains(&code)) {
                    token = None;
                }
                if !silent {
                    let reason = fault::reason(error);
                    tracing::warn!(reason, "changes of other nodes are not heard at the moment");
                }
                silent = true;
            }
        }
        changes.doubting(Duration::ZERO, sleep(PERIOD)).await;
    }
}

type Stream = ChangeStream<ChangeStreamEvent<Document>>;

async fn open(data: &Data, token: Option<ResumeToken>) -> Result<Stream, Error> {
    let touches = TOUCHED.map(|field| {
        let path = format!("updateDescription.updatedFields.{field}");
        doc! {path: {"$exists": true}}
    });
    // Only what happened where: the documents themselves are not sent.
    let pipeline = [
        doc! {"$match": {"$or": [
            {"ns.coll": {"$in": WATCHED.to_vec()}, "$nor": touches.to_vec()},
            {"operationType": {"$in": ["drop", "rename", "dropDatabase", "invalidate"]}},
        ]}},
        doc! {"$project": {"operationType": 1, "clusterTime": 1, "ns": 1}},
    ];
    data.database
        .watch()
        .pipeline(pipeline)
        .max_await_time(SILENCE / 2)
        .resume_after(token)
        .await
}

/// Tells what is heard until the stream breaks, or until a collection is gone, which is no error.
async fn listen(
    stream: &mut Stream,
    changes: &Changes,
    token: &mut Option<ResumeToken>,
) -> Option<Error> {
    while stream.is_alive() {
        let heard = match changes.doubting(SILENCE, stream.next_if_any()).await {
            Ok(heard) => heard,
            Err(error) => return Some(error),
        };
        *token = stream.resume_token();
        let Some(event) = heard else { continue };
        changes.tell(event.cluster_time);
        match event.operation_type {
            OperationType::Drop | OperationType::Rename => return None,
            OperationType::DropDatabase => break,
            _ => {}
        }
    }
    // The stream of a database ends with it: there is nothing to go on after.
    *token = None;
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(increment: u32) -> Timestamp {
        let time = 1_700_000_000;
        Timestamp { time, increment }
    }

    #[test]
    fn a_change_that_is_heard_twice_is_told_once() {
        let changes = Changes::new();
        let mut receiver = changes.subscribe();
        changes.tell(Some(at(1)));
        receiver.mark_unchanged();
        changes.tell(Some(at(1)));
        assert!(!receiver.has_changed().unwrap());
        changes.tell(Some(at(2)));
        assert!(receiver.has_changed().unwrap());
    }

    #[test]
    fn a_change_that_is_heard_late_is_told_too() {
        let changes = Changes::new();
        changes.tell(Some(at(9)));
        let before = *changes.subscribe().borrow();
        changes.tell(Some(at(5)));
        assert!(*changes.subscribe().borrow() > before);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_moves_the_number_and_an_answer_in_time_does_not() {
        let changes = Changes::new();
        let number = || *changes.subscribe().borrow();
        changes.doubting(SILENCE, sleep(SILENCE / 2)).await;
        assert_eq!(number(), 1);
        changes.doubting(SILENCE, sleep(SILENCE * 2)).await;
        assert_eq!(number(), 5);
    }
}
