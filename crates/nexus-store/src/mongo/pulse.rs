//! The proof that nothing is missed: this node writes to a document of its own, and hears of it
//! from the change stream like everybody else.
//!
//! Whoever hears the write has heard everything that was acknowledged before it. A database that is
//! cut off from its majority cannot confirm the write, a stream that lags or hangs does not bring
//! it: either way, the store stops vouching for what it has read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::change_stream::event::ChangeStreamEvent;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::calls::Calls;
use super::changes::Changes;
use super::data::Data;
use crate::StoreError;
use crate::freshness::Until;

/// How often the node writes. Several times while what it proves holds.
const PERIOD: Duration = Duration::from_millis(250);

/// When nobody asks for so long, it rests: an idle database is left alone.
const REST: Duration = Duration::from_mins(1);

/// How long a write may take. What is confirmed later proves nothing.
const LATE: Duration = Duration::from_secs(2);

/// One node's pulse.
#[derive(Debug)]
pub(super) struct Pulse {
    changes: Changes,
    node: ObjectId,
    /// Beats are the microseconds since then, on this node's own clock.
    origin: Instant,
    awake: Until,
}

impl Pulse {
    pub(super) fn new(changes: Changes) -> Self {
        let pulse = Self {
            changes,
            node: ObjectId::new(),
            origin: Instant::now(),
            awake: Until::never(),
        };
        pulse.awake.extend(pulse.origin + REST);
        pulse
    }

    /// The name of this node's document.
    pub(super) const fn node(&self) -> ObjectId {
        self.node
    }

    /// Beats while the stream answers and somebody asks, for as long as it is polled.
    pub(super) async fn beat(&self, data: &Arc<Data>) {
        let calls = Calls::new(LATE);
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            if self.is_awake() && self.changes.is_answering() {
                let beat = i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX);
                let written = calls.run(write(Arc::clone(data), self.node, beat));
                if let Err(reason) = written.await {
                    tracing::debug!(%reason, "this node has no pulse");
                }
            }
        }
    }

    /// Has templates read again and again while nobody can be sure that their changes are heard.
    pub(super) async fn doubt_templates(&self) {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            let is_sure = self.changes.is_answering()
                && (self.changes.freshness().is_vouched() || !self.is_awake());
            if !is_sure {
                self.changes.doubt_template();
            }
        }
    }

    fn is_awake(&self) -> bool {
        let now = Instant::now();
        if self.changes.freshness().was_asked() {
            self.awake.extend(now + REST);
        }
        self.awake.is_after(now)
    }

    /// An own beat was heard. The one that made the document is left out: the next one is not far.
    pub(super) fn heard(&self, event: &ChangeStreamEvent<Document>) {
        let update = event.update_description.as_ref();
        let beat = update.and_then(|update| update.updated_fields.get_i64("beat").ok());
        if let Some(beat) = beat.and_then(|beat| u64::try_from(beat).ok()) {
            let since = self.origin + Duration::from_micros(beat);
            self.changes.freshness().vouch(since);
        }
    }
}

async fn write(data: Arc<Data>, node: ObjectId, beat: i64) -> Result<(), StoreError> {
    let change = doc! {"$set": {"beat": beat}, "$currentDate": {"at": true}};
    let written = data.nodes.update_one(doc! {"_id": node}, change);
    written.upsert(true).await?;
    Ok(())
}

fn ticks() -> Interval {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
