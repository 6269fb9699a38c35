//! `GET /livez`: the process answers. `GET /readyz`: it can do its work.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use nexus_core::Environment;
use serde::Serialize;
use serde_json::{Value, json};

use crate::AppState;

/// How long the store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ready,
    /// It works, and somebody should look at `reasons`.
    Degraded,
    Unavailable,
}

#[derive(Debug, Serialize)]
pub(crate) struct Readiness {
    status: Status,
    store: &'static str,
    template: Template,
    /// Why it is not simply ready.
    reasons: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Template {
    environment: Environment,
    /// `null`: there is none in force.
    version: Option<u64>,
    /// Whether the emergency template stands in.
    emergency: bool,
}

pub(crate) async fn livez() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

pub(crate) async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Readiness>) {
    let template = &state.orchestrator.template;
    let health = template.health();
    let ping = tokio::time::timeout(PATIENCE, state.orchestrator.store.ping()).await;
    let store_answers = matches!(ping, Ok(Ok(())));
    let is_stopping = state.shutdown.is_cancelled();

    let status = if is_stopping || !store_answers || health.version.is_none() {
        Status::Unavailable
    } else if health.is_emergency || !health.problems.is_empty() {
        Status::Degraded
    } else {
        Status::Ready
    };
    let mut reasons = health.problems;
    if !store_answers {
        reasons.push("the store does not answer: the log says more".to_owned());
    }
    if is_stopping {
        reasons.push("the server is shutting down".to_owned());
    }
    let code = match status {
        Status::Ready | Status::Degraded => StatusCode::OK,
        Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let readiness = Readiness {
        status,
        store: if store_answers { "ok" } else { "unavailable" },
        template: Template {
            environment: template.environment(),
            version: health.version,
            emergency: health.is_emergency,
        },
        reasons,
    };
    (code, Json(readiness))
}
