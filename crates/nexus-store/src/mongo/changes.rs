//! Who may have to read again: changes of templates, identities, sessions and API keys, noted when
//! this node makes them and when the database's change stream tells of them.
//!
//! Numbers are those of the database's logical clock. Proof that nothing is missed is the
//! [`pulse`](super::pulse).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use mongodb::bson::Timestamp;
use tokio::sync::watch;

use crate::freshness::{PATIENCE, Until};
use crate::{Freshness, Subject};

/// What this node knows of changes.
#[derive(Clone, Debug)]
pub(super) struct Changes(Arc<Known>);

#[derive(Debug)]
struct Known {
    freshness: Freshness,
    templates: watch::Sender<u64>,
    /// The number of the newest change of a template that was told.
    template_at: AtomicU64,
    /// Until when the stream counts as one that answers.
    answering: Until,
    answers: AtomicU64,
    /// The database is a single server, without a stream.
    alone: AtomicBool,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self(Arc::new(Known {
            freshness: Freshness::new(),
            templates: watch::Sender::new(1),
            template_at: AtomicU64::new(0),
            answering: Until::never(),
            answers: AtomicU64::new(0),
            alone: AtomicBool::new(false),
        }))
    }

    pub(super) fn templates(&self) -> watch::Receiver<u64> {
        self.0.templates.subscribe()
    }

    pub(super) fn freshness(&self) -> &Freshness {
        &self.0.freshness
    }

    /// What reads must include, so that nothing is remembered from before a change that is known.
    pub(super) fn known(&self) -> Option<Timestamp> {
        let moment = self.0.freshness.moment();
        (moment > 0).then(|| timestamp(moment))
    }

    /// From now on, reads include everything up to this moment.
    pub(super) fn reach(&self, at: Timestamp) {
        self.0.freshness.reach(number(at));
    }

    /// An identity, a session or an API key was changed. Without its moment, nobody can be sure to read it.
    pub(super) fn tell(&self, subject: impl Into<Subject>, at: Option<Timestamp>) {
        match at {
            Some(at) => self.0.freshness.changed_at(subject.into(), number(at)),
            None => self.doubt(),
        }
    }

    /// A template was changed. What is heard twice, from who made it and from the stream, is told
    /// once.
    pub(super) fn tell_template(&self, at: Option<Timestamp>) {
        let is_news = at.is_none_or(|at| {
            self.reach(at);
            self.0.template_at.fetch_max(number(at), Ordering::AcqRel) < number(at)
        });
        if is_news {
            self.doubt_template();
        }
    }

    /// Any identity, any session and any API key may have been changed.
    pub(super) fn doubt(&self) {
        self.0.freshness.doubt();
    }

    pub(super) fn doubt_template(&self) {
        self.0.templates.send_modify(|number| *number += 1);
    }

    /// The stream has answered.
    pub(super) fn answered(&self) {
        self.0.answers.fetch_add(1, Ordering::Relaxed);
        self.0.answering.extend(Instant::now() + PATIENCE);
    }

    /// How often the stream has answered.
    pub(super) fn answers(&self) -> u64 {
        self.0.answers.load(Ordering::Relaxed)
    }

    /// There is one server and no stream, or there is more.
    pub(super) fn set_alone(&self, alone: bool) {
        self.0.alone.store(alone, Ordering::Release);
    }

    /// Whether there is no other server that could be the primary.
    pub(super) fn is_alone(&self) -> bool {
        self.0.alone.load(Ordering::Acquire)
    }

    /// The stream is broken.
    pub(super) fn stopped(&self) {
        self.0.answering.end();
        self.0.freshness.stop_vouching();
    }

    /// Whether the stream has answered lately.
    pub(super) fn is_answering(&self) -> bool {
        self.0.answering.is_after(Instant::now())
    }
}

fn number(at: Timestamp) -> u64 {
    (u64::from(at.time) << 32) | u64::from(at.increment)
}

#[expect(clippy::cast_possible_truncation, reason = "the number is taken apart")]
const fn timestamp(number: u64) -> Timestamp {
    Timestamp {
        time: (number >> 32) as u32,
        increment: number as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(increment: u32) -> Timestamp {
        let time = 1_700_000_000;
        Timestamp { time, increment }
    }

    #[test]
    fn a_template_that_is_heard_twice_is_told_once() {
        let changes = Changes::new();
        let mut receiver = changes.templates();
        changes.tell_template(Some(at(1)));
        receiver.mark_unchanged();
        changes.tell_template(Some(at(1)));
        assert!(!receiver.has_changed().unwrap());
        changes.tell_template(Some(at(2)));
        assert!(receiver.has_changed().unwrap());
    }

    #[test]
    fn what_is_told_is_what_reads_must_include() {
        let changes = Changes::new();
        assert_eq!(changes.known(), None);
        changes.tell_template(Some(at(9)));
        changes.reach(at(5));
        assert_eq!(changes.known(), Some(at(9)));
    }
}
