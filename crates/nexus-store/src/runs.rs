//! What nodes tell each other of the runs in progress. The orchestrator calls it.

use async_trait::async_trait;
use nexus_core::{MessageId, NodeId, PublicKey, RunId, Timestamp};

use crate::StoreError;

/// A run in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveRun {
    /// Names the run.
    pub run_id: RunId,
    /// Its owner.
    pub owner: PublicKey,
    /// The stored question. `None`: none is stored.
    pub message_id: Option<MessageId>,
    /// When it began.
    pub started_at: Timestamp,
}

/// Runs in progress, where several nodes share a store. A store for one process keeps none: the
/// process knows them.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Notes that a run is in progress on `node`, as long as the node renews that.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is in progress on another node.
    async fn begin_run(&self, _run: &ActiveRun, _node: &NodeId) -> Result<(), StoreError> {
        Ok(())
    }

    /// Renews the runs of `node`, which hold for some seconds only: a node that dies holds none.
    async fn renew_runs(&self, _node: &NodeId) -> Result<(), StoreError> {
        Ok(())
    }

    /// Notes that runs of `node` have ended.
    async fn end_runs(&self, _runs: &[ActiveRun], _node: &NodeId) -> Result<(), StoreError> {
        Ok(())
    }

    /// The runs of `owner` in progress on any node.
    async fn active_runs(&self, _owner: PublicKey) -> Result<Vec<ActiveRun>, StoreError> {
        Ok(Vec::new())
    }

    /// Asks the node where a run is in progress to stop it. `false`: it is in progress nowhere.
    async fn cancel_run(&self, _owner: PublicKey, _run: &RunId) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// The runs of `node` that others have asked it to stop.
    async fn cancelled_runs(&self, _node: &NodeId) -> Result<Vec<(PublicKey, RunId)>, StoreError> {
        Ok(Vec::new())
    }
}
