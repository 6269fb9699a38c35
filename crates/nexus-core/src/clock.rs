//! Where time comes from. Everything that needs "now" takes a [`Clock`], so that tests own time.

use chrono::{DurationRound, TimeDelta};

use crate::Timestamp;

/// A source of the current time, at millisecond precision.
pub trait Clock: Send + Sync {
    /// The current moment, truncated to a millisecond so that it survives every store unchanged.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's clock"
        )]
        let now = chrono::Utc::now();
        to_millis(now)
    }
}

fn to_millis(moment: Timestamp) -> Timestamp {
    moment
        .duration_trunc(TimeDelta::milliseconds(1))
        .unwrap_or(moment)
}
