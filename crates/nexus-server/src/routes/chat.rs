//! `POST /api/v1/chat`: a question in, the events of its run out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use nexus_api::chat::ChatRequest;
use nexus_core::{ApiScope, ConfigField, Overrides, RunEvent, RunId};
use nexus_run::{Ask, NewRun, OnDisconnect, Question, RunError};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::body::{self, MAX_BODY_BYTES, shortened};
use crate::revocation::WhileAccepted;
use crate::sse::{EventStream, NativeEvents};
use crate::{ApiError, AppState, Caller, run_headers};

pub(crate) async fn start_run(
    State(state): State<AppState>,
    admission: Admission,
    request: Request,
) -> Result<Response, ApiError> {
    let Admission {
        caller,
        mut admitted,
    } = admission;
    body::check_kind(request.headers())?;
    let explains = run_headers::wants_explanation(request.headers(), &caller)?;
    let most = body::longest(&admitted, MAX_BODY_BYTES);
    let bytes = body::arrive(request, &state, most, &mut admitted.memory).await?;
    let body: ChatRequest = body::read(&bytes, &mut admitted.memory)?;
    drop(bytes);
    let request = overrides(&body.config.0)?;
    let ask = ask(&caller, body.content, body.run_id)?;
    let cancel = CancellationToken::new();
    let new = NewRun {
        owner: caller.key,
        ask,
        request,
        models: caller.models(),
        explains,
        on_disconnect: OnDisconnect::Finish,
        cancel: cancel.clone(),
    };
    let mut run = state.orchestrator.start_admitted(admitted, new);
    // A run that fails before it has stored anything is an ordinary failed request.
    let first = match run.next().await {
        Some(RunEvent::RunStarted(started)) => started,
        failed => {
            while run.next().await.is_some() {}
            return Err(failed.map_or_else(ApiError::unexplained, ApiError::from));
        }
    };
    let mut headers = run_headers::of_run(&state, &first);
    run_headers::mark_stream(&mut headers);
    let run = futures_util::stream::iter([RunEvent::RunStarted(first)]).chain(run);
    let gate = Arc::clone(&state.orchestrator.gate);
    let run = WhileAccepted::new(run, gate, caller.credential, cancel);
    let events = EventStream::new(run, NativeEvents, state.shutdown, state.grace);
    Ok((headers, Body::new(events)).into_response())
}

/// A question, or one that is stored. That is history, so an API key must be one that may read it.
fn ask(caller: &Caller, content: Option<String>, run_id: Option<String>) -> Result<Ask, ApiError> {
    match (content, run_id) {
        (Some(content), None) => Question::parse(content)
            .map(Ask::from)
            .map_err(|error| ApiError::from(error).field("content")),
        (None, Some(run_id)) => {
            caller.may(ApiScope::HistoryRead)?;
            // A text that is no id names no run.
            let run_id = RunId::try_from(run_id).map_err(|_| RunError::RunNotFound)?;
            Ok(Ask::Again(run_id))
        }
        (None, None) => {
            let message =
                "missing field `content`: send a question, or run_id to ask a stored one again";
            Err(ApiError::unprocessable("missing_field", message))
        }
        (Some(_), Some(_)) => {
            let message = "send content or run_id, not both: a stored question is asked as it was";
            Err(ApiError::unprocessable("duplicate_field", message).field("run_id"))
        }
    }
}

/// The request layer. Whether its values may be set is decided by the run.
fn overrides(config: &Map<String, Value>) -> Result<Overrides, ApiError> {
    if let Some(key) = config.keys().find(|key| ConfigField::parse(key).is_none()) {
        let known: Vec<_> = ConfigField::ALL
            .iter()
            .map(|field| field.as_str())
            .collect();
        let key = shortened(key);
        let message = format!(
            "there is no field config.{key}: expected one of {}",
            known.join(", ")
        );
        return Err(
            ApiError::unprocessable("unknown_field", message).field(format!("config.{key}"))
        );
    }
    let read = Overrides::from_stored(config, &Map::new());
    match read.unusable.first() {
        Some((field, expected)) => {
            let message = format!("{field} must be {expected}; leave it out to inherit it");
            Err(ApiError::unprocessable("wrong_type", message).field(field.to_string()))
        }
        None => Ok(read),
    }
}
