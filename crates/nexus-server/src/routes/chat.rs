//! `POST /api/v1/chat`: a question in, the events of its run out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use nexus_core::event::RunStarted;
use nexus_core::{ConfigField, Overrides, PublicKey, RunEvent};
use nexus_run::context::QuestionError;
use nexus_run::{Credential, NewRun, OnDisconnect, Question};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::body::{JsonBody, shortened};
use crate::object::Object;
use crate::revocation::WhileAccepted;
use crate::sse::EventStream;
use crate::{ApiError, AppState, Caller};

/// What makes an answer a stream. A proxy that collected the events first would undo it.
const STREAM: [(HeaderName, &str); 3] = [
    (CONTENT_TYPE, "text/event-stream"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

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
    JsonBody(body): JsonBody<ChatBody>,
) -> Result<Response, ApiError> {
    let request = overrides(&body.config.0)?;
    let question = Question::parse(body.content).map_err(|error| not_a_question(&error))?;
    let models = match &caller.credential {
        Credential::Session(_) => None,
        Credential::ApiKey(key) => key.models.clone(),
    };
    let cancel = CancellationToken::new();
    let mut run = state.orchestrator.start(NewRun {
        owner: caller.key,
        question,
        request,
        models,
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
    let mut headers = headers(&first);
    tell_what_is_left(&state, caller.key, &mut headers);
    let run = futures_util::stream::iter([RunEvent::RunStarted(first)]).chain(run);
    let gate = Arc::clone(&state.orchestrator.gate);
    let run = WhileAccepted::new(run, gate, caller.credential, cancel);
    let events = EventStream::new(run, state.shutdown, state.grace);
    Ok((headers, Body::new(events)).into_response())
}

/// How many questions may follow in this minute.
fn tell_what_is_left(state: &AppState, key: PublicKey, headers: &mut HeaderMap) {
    let Ok(genesis) = state.orchestrator.template.current() else {
        return;
    };
    let limiter = &state.orchestrator.limiter;
    let Some(left) = limiter.requests_left(genesis.limits(), key) else {
        return;
    };
    let facts = [
        ("x-ratelimit-limit-requests", left.limit),
        ("x-ratelimit-remaining-requests", left.remaining),
        ("x-ratelimit-reset-requests", left.resets_in),
    ];
    for (name, value) in facts {
        headers.insert(name, HeaderValue::from(value));
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

fn not_a_question(error: &QuestionError) -> ApiError {
    let code = match error {
        QuestionError::Empty => "empty_message",
        QuestionError::Text(_) => "invalid_text",
    };
    ApiError::unprocessable(code, error.to_string()).field("content")
}

/// The first event again, for clients that look at headers. A name that a header cannot carry is
/// left to the event.
fn headers(started: &RunStarted) -> HeaderMap {
    let mut headers: HeaderMap = STREAM
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .into_iter()
        .collect();
    let text = |text: &str| HeaderValue::from_str(text).ok();
    let facts = [
        ("x-nexus-run", text(started.run_id.as_str())),
        ("x-nexus-model", started.model.as_deref().and_then(text)),
        (
            "x-nexus-template",
            started.template_version.map(HeaderValue::from),
        ),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    headers
}
