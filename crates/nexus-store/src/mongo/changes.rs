//! What this node has changed, and up to which moment of the database's logical clock its readings
//! reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mongodb::bson::Timestamp;

use crate::{Evictions, Subject};

/// Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    evictions: Evictions,
    reached: Arc<AtomicU64>,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            evictions: Evictions::new(),
            reached: Arc::default(),
        }
    }

    pub(super) const fn evictions(&self) -> &Evictions {
        &self.evictions
    }

    /// The moment that readings must include. With it, a server that is not the primary any more, or
    /// that has just become it, cannot answer with what was true before.
    pub(super) fn reached(&self) -> Option<Timestamp> {
        let reached = self.reached.load(Ordering::Acquire);
        (reached > 0).then(|| timestamp(reached))
    }

    /// From now on, readings include everything up to this moment. A single server has no such
    /// clock, and needs none.
    pub(super) fn reach(&self, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.reached.fetch_max(number(at), Ordering::AcqRel);
        }
    }

    /// This node has changed an identity, a session or an API key.
    pub(super) fn tell(&self, subject: impl Into<Subject>, at: Option<Timestamp>) {
        self.reach(at);
        self.evictions.evict(subject.into());
    }

    /// This node has changed a template.
    pub(super) fn tell_template(&self, at: Option<Timestamp>) {
        self.reach(at);
        self.evictions.evict_template();
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

    #[test]
    fn readings_reach_up_to_the_newest_moment() {
        let changes = Changes::new();
        assert_eq!(changes.reached(), None);
        let at = |time, increment| Timestamp { time, increment };
        changes.tell_template(Some(at(1_700_000_000, 9)));
        changes.reach(Some(at(1_600_000_000, 5)));
        changes.reach(None);
        assert_eq!(changes.reached(), Some(at(1_700_000_000, 9)));
    }
}
