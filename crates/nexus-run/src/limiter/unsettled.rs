//! Usage that the store did not take when its run ended: kept in memory, and offered again until it
//! does.
//!
//! Whether a write that failed was made all the same cannot always be known. In doubt it is made
//! again: the store counts a run once.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use nexus_core::{PublicKey, RunId, Timestamp, UsageCount, UsageKey};
use nexus_store::{Store, StoreError};
use tokio::time::{sleep, timeout};

use super::{Limiter, lock};

/// How many runs are kept at most. Those beyond are in the log only.
const MOST: usize = 10_000;
/// How long the store is waited for when the program ends.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// How long after a failure it is tried again then.
const AGAIN: Duration = Duration::from_millis(250);

/// What waits, the oldest first.
#[derive(Default)]
pub(super) struct Unsettled {
    waiting: Mutex<VecDeque<Used>>,
    /// Held by whoever offers the first one, so that nobody else does.
    turn: tokio::sync::Mutex<()>,
}

/// What one run used of one model.
#[derive(Clone)]
pub(super) struct Used {
    /// When the owner was registered.
    pub(super) life: Timestamp,
    pub(super) run: RunId,
    pub(super) key: UsageKey,
    pub(super) count: UsageCount,
}

impl Used {
    pub(super) async fn store(&self, store: &dyn Store) -> Result<(), StoreError> {
        store
            .add_usage(self.life, &self.run, self.key.clone(), self.count)
            .await
    }
}

impl Unsettled {
    pub(super) fn is_of(&self, owner: PublicKey) -> bool {
        lock(&self.waiting)
            .iter()
            .any(|used| used.key.owner == owner)
    }
}

impl Limiter {
    pub(super) fn keep(&self, used: Used, error: &StoreError) {
        let mut waiting = lock(&self.unsettled.waiting);
        if waiting.len() >= MOST {
            drop(waiting);
            return lost(&used, error);
        }
        tracing::warn!(%error, owner = %used.key.owner, "what a run used is not stored yet: it is tried again");
        waiting.push_back(used);
    }

    /// Stores what could not be stored before, until the store fails again. Usage of somebody who
    /// was erased meanwhile is dropped.
    ///
    /// # Errors
    /// The failure. What is left waits on.
    pub async fn settle_rest(&self) -> Result<(), StoreError> {
        let _turn = self.unsettled.turn.lock().await;
        loop {
            // It stays the first until it is stored: nothing is lost when nobody waits for this.
            let Some(used) = lock(&self.unsettled.waiting).front().cloned() else {
                return Ok(());
            };
            match used.store(&*self.store).await {
                Ok(()) | Err(StoreError::Conflict { .. }) => {
                    lock(&self.unsettled.waiting).pop_front();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Stores what is left when the program ends. No run goes on any more. What the store does not
    /// take within some seconds is lost, and the log has it.
    pub async fn finish(&self) {
        let mut last = StoreError::Unavailable {
            reason: "it did not answer in time".to_owned(),
        };
        let storing = async {
            while let Err(error) = self.settle_rest().await {
                last = error;
                sleep(AGAIN).await;
            }
        };
        // What is not stored by then is still waiting.
        _ = timeout(LAST_WAIT, storing).await;
        for used in lock(&self.unsettled.waiting).drain(..) {
            lost(&used, &last);
        }
    }
}

fn lost(used: &Used, error: &StoreError) {
    let Used { key, count, .. } = used;
    tracing::error!(
        %error,
        owner = %key.owner,
        day = %key.day,
        model = key.model,
        input_tokens = count.input_tokens,
        output_tokens = count.output_tokens,
        cost_micros = count.cost_micros,
        "what a run used could not be stored"
    );
}
