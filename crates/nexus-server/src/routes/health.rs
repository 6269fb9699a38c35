//! `GET /livez`: the process answers. `GET /readyz`: it can do its work.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use nexus_api::health::{Liveness, Readiness, ReadinessStatus, StoreStatus, TemplateStatus};
use nexus_store::Store;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::AppState;

/// How long the store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long what the store said holds: anybody may ask, as often as they like.
const HOLDS: Duration = Duration::from_secs(1);

/// Whether the store answered the last time.
#[derive(Clone, Debug, Default)]
pub struct StoreHealth(Arc<Mutex<Option<(Instant, bool)>>>);

impl StoreHealth {
    /// What the store said within the last second, or says now. One request asks it at a time.
    async fn answers(&self, store: &dyn Store) -> bool {
        let mut last = self.0.lock().await;
        if let Some((at, answers)) = *last
            && at.elapsed() < HOLDS
        {
            return answers;
        }
        let ping = tokio::time::timeout(PATIENCE, store.ping()).await;
        let answers = matches!(ping, Ok(Ok(())));
        *last = Some((Instant::now(), answers));
        answers
    }
}

pub(crate) async fn livez() -> Json<Liveness> {
    Json(Liveness {
        status: "alive".into(),
    })
}

pub(crate) async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Readiness>) {
    let template = &state.orchestrator.template;
    let health = template.health();
    let store_answers = state.store_health.answers(&*state.orchestrator.store).await;
    let is_stopping = state.shutdown.is_cancelled();

    let status = if is_stopping || !store_answers || health.version.is_none() {
        ReadinessStatus::Unavailable
    } else if health.is_emergency || !health.problems.is_empty() {
        ReadinessStatus::Degraded
    } else {
        ReadinessStatus::Ready
    };
    let mut reasons = health.problems;
    if !store_answers {
        reasons.push("the store does not answer: the log says more".to_owned());
    }
    if is_stopping {
        reasons.push("the server is shutting down".to_owned());
    }
    let code = match status {
        ReadinessStatus::Ready | ReadinessStatus::Degraded => StatusCode::OK,
        ReadinessStatus::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let readiness = Readiness {
        status,
        store: if store_answers {
            StoreStatus::Ok
        } else {
            StoreStatus::Unavailable
        },
        template: TemplateStatus {
            environment: template.environment(),
            version: health.version,
            emergency: health.is_emergency,
        },
        reasons,
    };
    (code, Json(readiness))
}
