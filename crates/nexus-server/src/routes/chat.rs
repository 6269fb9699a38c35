//! `POST /api/v1/chat`: a question in, the events of its run out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::HeaderMap;
use nexus_core::{ConfigField, Overrides, RunEvent};
use nexus_run::{NewRun, OnDisconnect, Question};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::body::{JsonBody, shortened};
use crate::object::Object;
use crate::revocation::WhileAccepted;
use crate::sse::{EventStream, NativeEvents};
use crate::{ApiError, AppState, Caller, run_headers};

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatBody {
    content: String,
    /// What this one request sets, by the names that the template uses.
    #[serde(default)]
    config: Object,
}

pub(crate) async fn start_run(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ChatBody>,
) -> Result<Response, ApiError> {
    let request = overrides(&body.config.0)?;
    let question =
        Question::parse(body.content).map_err(|error| ApiError::from(error).field("content"))?;
    let cancel = CancellationToken::new();
    let mut run = state.orchestrator.start(NewRun {
        owner: caller.key,
        ask: question.into(),
        request,
        models: caller.models(),
        explains: run_headers::wants_explanation(&headers, &caller)?,
        on_disconnect: OnDisconnect::Finish,
        cancel: cancel.clone(),
    });
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
