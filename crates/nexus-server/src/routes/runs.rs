//! `GET /api/v1/runs`, `POST /api/v1/runs/{run_id}/cancel`: the answers that are being written.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexus_api::run::{ActiveRun, ActiveRuns, CancelStatus, CancelledRun};
use nexus_core::RunId;
use nexus_run::RunError;
use nexus_run::limiter::Holder;
use nexus_run::runs::Cancelled;

use crate::body::{self, MAX_STRANGER_BYTES};
use crate::{ApiError, AppState, Member};

pub(crate) async fn list_runs(
    State(state): State<AppState>,
    Member(identity): Member,
) -> Result<Json<ActiveRuns>, ApiError> {
    let runs = state.orchestrator.active_runs(identity.public_key).await?;
    let runs = runs.into_iter().map(|run| ActiveRun {
        run_id: run.run_id.into(),
        message_id: run.message_id.map(Into::into),
        started_at: run.started_at,
    });
    Ok(Json(ActiveRuns {
        runs: runs.collect(),
    }))
}

pub(crate) async fn cancel_run(
    State(state): State<AppState>,
    Member(identity): Member,
    Path(run_id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let holder = Holder::Member(identity.public_key);
    let mut memory = state.orchestrator.limiter.memory.reserve(holder);
    let body = body::arrive(request, &state, MAX_STRANGER_BYTES, &mut memory).await?;
    body::nothing(&body)?;
    // A text that is no id names no run.
    let run_id = RunId::try_from(run_id).map_err(|_| RunError::NothingToCancel)?;
    let cancelled = state.orchestrator.cancel_run(&identity, &run_id).await?;
    let (code, status) = match cancelled {
        Cancelled::Ended => (StatusCode::OK, CancelStatus::Ended),
        Cancelled::Stopping => (StatusCode::ACCEPTED, CancelStatus::Stopping),
    };
    let run_id = run_id.into();
    Ok((code, Json(CancelledRun { run_id, status })).into_response())
}
