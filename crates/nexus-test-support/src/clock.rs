//! A clock that moves only when told to.

use std::sync::Mutex;

use chrono::{DateTime, DurationRound as _, TimeDelta};
use nexus_core::{Clock, Timestamp};

/// A clock that moves only when told to. By default it stands in October 2025.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock standing at `start`, truncated to a millisecond as every clock is.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        let start = start.duration_trunc(TimeDelta::milliseconds(1));
        Self(Mutex::new(start.unwrap()))
    }

    /// Moves the clock forward by `step`.
    pub fn advance(&self, step: TimeDelta) {
        *self.0.lock().unwrap() += step;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new(DateTime::from_timestamp_millis(1_760_000_000_000).unwrap())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}
