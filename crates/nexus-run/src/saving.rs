//! Stores what a run says, however long the store takes: a message that it does not take at once is
//! kept and offered again. The orchestrator calls it.

use std::time::Duration;

use nexus_core::Message;
use nexus_store::StoreError;
use tokio::time::{Instant, sleep};

use crate::context::RunContext;
use crate::orchestrator::Orchestrator;

/// How soon a message is offered again at first, and at the latest.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// How long the store is waited for. What a run keeps meanwhile is bounded: it holds its place among
/// the concurrent runs of its owner.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// With a question, of which its owner has heard nothing yet.
    pub question: Duration,
    /// With an answer, its tool calls and their results.
    pub answer: Duration,
    /// With the same, since the server was told to stop.
    pub stopping: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            question: Duration::from_secs(15),
            answer: Duration::from_mins(2),
            stopping: Duration::from_secs(3),
        }
    }
}

impl Orchestrator {
    /// Stores a message of a run. `is_doubtful`: an earlier attempt failed, and may have stored it all
    /// the same.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store did not take it within `patience`. It may take it
    /// later: an attempt that nobody waits for goes on.
    pub(crate) async fn save(
        &self,
        run: &RunContext,
        message: &Message,
        patience: Duration,
        is_doubtful: bool,
    ) -> Result<(), StoreError> {
        let stopping = async {
            run.stopping.cancelled().await;
            sleep(self.runs.patience.stopping).await;
        };
        tokio::select! {
            biased;
            saved = self.offer(run, message, patience, is_doubtful) => saved,
            () = stopping => Err(StoreError::Unavailable {
                reason: "it did not take a message before the server stopped".to_owned(),
            }),
        }
    }

    /// Offers a message to the store until it says something else than that it is not available.
    async fn offer(
        &self,
        run: &RunContext,
        message: &Message,
        patience: Duration,
        mut is_doubtful: bool,
    ) -> Result<(), StoreError> {
        let begun = Instant::now();
        let [mut pause, longest] = BACKOFF;
        loop {
            match self.attempt(run, message, is_doubtful).await {
                Err(error @ StoreError::Unavailable { .. }) => {
                    if begun.elapsed() + pause > patience {
                        return Err(error);
                    }
                    tracing::warn!(%error, message = %message.id, "a message is not stored yet: it is offered again");
                }
                done => return done,
            }
            is_doubtful = true;
            sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }

    /// Stores a message that may be there already.
    async fn attempt(
        &self,
        run: &RunContext,
        message: &Message,
        is_doubtful: bool,
    ) -> Result<(), StoreError> {
        let stored = self.store.append(&run.identity, message.clone()).await;
        if is_doubtful
            && matches!(stored, Err(StoreError::Conflict { .. }))
            && self.store.has_message(&run.identity, &message.id).await?
        {
            return Ok(());
        }
        stored
    }
}
