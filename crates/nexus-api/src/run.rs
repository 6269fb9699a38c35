//! `/api/v1/runs`: the answers that are being written.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use chrono::{DateTime, Utc};

/// `GET /api/v1/runs`: the runs in progress, oldest first.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ActiveRuns {
    /// Oldest first.
    pub runs: Vec<ActiveRun>,
}

/// A run in progress.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ActiveRun {
    /// Names the run.
    pub run_id: String,
    /// The stored question. `null`: none is stored.
    #[schema(required = true)]
    pub message_id: Option<String>,
    /// The time of its beginning.
    pub started_at: DateTime<Utc>,
}

/// `POST /api/v1/runs/{run_id}/cancel`: a run that was told to stop.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct CancelledRun {
    /// Names the run.
    pub run_id: String,
    /// The status of the run.
    pub status: CancelStatus,
}

/// The status of a run that was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CancelStatus {
    /// It has, and what came is stored.
    Ended,
    /// It had not after five seconds.
    Stopping,
}
