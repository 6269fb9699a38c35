//! The right to run, as long as a run goes on.

use std::sync::Arc;

use chrono::NaiveDate;
use nexus_core::limits::Spending;
use nexus_core::{PublicKey, UsageCount};

use super::Limiter;

/// One of the runs that a person may have at a time. Whoever drops it makes room for the next.
pub struct Permit {
    limiter: Arc<Limiter>,
    pub(super) owner: PublicKey,
    pub(super) day: NaiveDate,
    pub(super) estimate: Spending,
}

impl Permit {
    pub(super) const fn new(
        limiter: Arc<Limiter>,
        owner: PublicKey,
        day: NaiveDate,
        estimate: Spending,
    ) -> Self {
        Self {
            limiter,
            owner,
            day,
            estimate,
        }
    }

    /// Stores what the run used of a model of the catalog, and counts it against the limits. The
    /// run counts for the day on which it began.
    pub async fn settle(&self, model: &str, count: UsageCount) {
        self.limiter.settle(self, model, count).await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.release(self);
    }
}
