//! The same runs for programs that speak OpenAI's protocol: an address and an API key are all that
//! they need (<https://platform.openai.com/docs/api-reference/chat>).
//!
//! | module | what it holds |
//! |---|---|
//! | `request` | the body of a request → what is asked, and what this one request sets |
//! | `messages` | the messages in it |
//! | `chunks` | the events of a run as the chunks of a stream |
//! | `completion` | the events of a run as one answer |
//! | `responses` | the same, in the words of the newer interface of the same name |
//! | `begin` | what has to be known before the first byte of an answer leaves |
//! | `usage` | tokens, as the protocol counts them |
//! | `error` | failures, as the protocol words them |
//! | `models` | who can be asked |

mod begin;
mod chunks;
mod completion;
pub(crate) mod error;
mod messages;
pub(crate) mod models;
mod request;
pub(crate) mod responses;
mod usage;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use nexus_api::Object;
use nexus_core::{ApiScope, RunEvent};
use nexus_run::client::Delivery;
use nexus_run::{Admitted, Ask, NewRun, OnDisconnect, RunStream};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use self::begin::Begun;
use self::chunks::Chunks;
use self::request::Asked;
use crate::admission::Admission;
use crate::revocation::WhileAccepted;
use crate::sse::{EventStream, View};
use crate::{ApiError, AppState, Caller, body, run_headers};

/// The longest body, in bytes: programs send whole conversations, with images.
pub(crate) const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// `POST /v1/chat/completions`
pub(crate) async fn complete_chat(
    State(state): State<AppState>,
    admission: Admission,
    request: Request,
) -> Result<Response, ApiError> {
    let answering = Answering::begin(&state, admission, request, request::read).await?;
    let created = answering.created;
    if let Delivery::Stream { with_usage } = answering.delivery {
        return Ok(answering.stream(state, Chunks::new(with_usage, created)));
    }
    let answer = completion::collect(answering.events, created).await?;
    Ok(whole(answering.headers, answer))
}

/// An answer that has begun.
struct Answering<S> {
    delivery: Delivery,
    /// When it was asked for, in seconds since 1970.
    created: i64,
    headers: HeaderMap,
    events: S,
}

impl Answering<()> {
    /// Starts the run that a request asks for, and waits until its answer has begun.
    async fn begin(
        state: &AppState,
        admission: Admission,
        request: Request,
        read: fn(Map<String, Value>) -> Result<Asked, ApiError>,
    ) -> Result<Answering<impl Stream<Item = RunEvent> + Send + use<>>, ApiError> {
        let Admission { caller, admitted } = admission;
        if !admitted.is_of_a_member() {
            return Err(begin::not_let_in(state, caller.key).await);
        }
        body::check_kind(request.headers())?;
        let wishes = Wishes::read(request.headers(), &caller)?;
        let (asked, admitted) = arrive(request, state, admitted, read).await?;
        let delivery = asked.turn.delivery;
        let created = state.orchestrator.clock.now().timestamp();
        let admission = Admission { caller, admitted };
        let begun = begin_run(state, admission, asked, wishes).await?;
        Ok(Answering {
            delivery,
            created,
            headers: begun.headers(state),
            events: begun.into_events(),
        })
    }
}

impl<S: Stream<Item = RunEvent> + Send + 'static> Answering<S> {
    /// In pieces, as `view` shows them.
    fn stream(mut self, state: AppState, view: impl View + Send + 'static) -> Response {
        run_headers::mark_stream(&mut self.headers);
        let body = EventStream::new(self.events, view, state.shutdown, state.grace);
        (self.headers, Body::new(body)).into_response()
    }
}

/// In one piece.
fn whole(mut headers: HeaderMap, json: Bytes) -> Response {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (headers, json).into_response()
}

/// What the body of a request asks, and the memory that it takes.
async fn arrive(
    request: Request,
    state: &AppState,
    mut admitted: Admitted,
    read: fn(Map<String, Value>) -> Result<Asked, ApiError>,
) -> Result<(Asked, Admitted), ApiError> {
    let bytes = body::arrive(request, state, MAX_BODY_BYTES, &mut admitted.memory).await?;
    let reading = move |bytes: Vec<u8>| {
        let Object(fields) = body::read(&bytes, &mut admitted.memory)?;
        drop(bytes);
        let asked = read(fields)?;
        admitted.memory.grow(asked.kept_twice)?;
        Ok((asked, admitted))
    };
    body::apart(bytes, reading).await
}

/// Starts a run, and waits until its answer has begun. It stops when its program leaves.
async fn begin_run(
    state: &AppState,
    admission: Admission,
    asked: Asked,
    wishes: Wishes,
) -> Result<Begun<WhileAccepted<RunStream>>, ApiError> {
    let Admission { caller, admitted } = admission;
    let Asked {
        mut turn, request, ..
    } = asked;
    turn.uses_stored_history = wishes.uses_stored_history;
    let cancel = CancellationToken::new();
    let new = NewRun {
        owner: caller.key,
        ask: Ask::Client(Box::new(turn)),
        request,
        models: caller.models(),
        explains: wishes.explains,
        on_disconnect: OnDisconnect::Cancel,
        cancel: cancel.clone(),
    };
    let run = state.orchestrator.start_admitted(admitted, new);
    let gate = Arc::clone(&state.orchestrator.gate);
    let run = WhileAccepted::new(run, gate, caller.credential, cancel);
    Begun::wait(run, state, caller.key).await
}

/// What the headers of a request ask for.
#[derive(Clone, Copy, Debug)]
struct Wishes {
    uses_stored_history: bool,
    explains: bool,
}

impl Wishes {
    fn read(headers: &HeaderMap, caller: &Caller) -> Result<Self, ApiError> {
        let sides = ["client", "server"];
        let uses_stored_history = run_headers::choice(headers, "x-nexus-history", sides)?;
        if uses_stored_history {
            caller.may(ApiScope::HistoryRead)?;
        }
        Ok(Self {
            uses_stored_history,
            explains: run_headers::wants_explanation(headers, caller)?,
        })
    }
}
