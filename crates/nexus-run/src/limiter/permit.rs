//! The right to run, as long as a run goes on.

use std::sync::Arc;

use chrono::NaiveDate;
use nexus_core::limits::Spending;
use nexus_core::{PublicKey, RunId, Timestamp, UsageCount};

use super::Limiter;

/// One of the runs that a person may have at a time. Dropping it makes room for the next.
pub struct Place {
    limiter: Arc<Limiter>,
    pub(super) owner: PublicKey,
}

impl Place {
    pub(super) const fn new(limiter: Arc<Limiter>, owner: PublicKey) -> Self {
        Self { limiter, owner }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limiter.leave(self.owner);
    }
}

/// A run that may go on: its place, and what it has reserved of the budgets of its day.
pub struct Permit {
    place: Place,
    pub(super) day: NaiveDate,
    pub(super) estimate: Spending,
}

impl Permit {
    pub(super) const fn new(place: Place, day: NaiveDate, estimate: Spending) -> Self {
        Self {
            place,
            day,
            estimate,
        }
    }

    pub(super) const fn owner(&self) -> PublicKey {
        self.place.owner
    }

    /// Stores what the run used of a model of the catalog, and counts it against the limits. The
    /// run counts for the day on which it began.
    /// `run`: a name that no other attempt has, and when its owner was registered.
    pub async fn settle(&self, run: (&RunId, Timestamp), model: &str, count: UsageCount) {
        self.place.limiter.settle(self, run, model, count).await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.place.limiter.release(self);
    }
}
