//! `POST /v1/responses`: the newer interface (<https://platform.openai.com/docs/api-reference/responses>).
//! What it asks is put into the words of chat completions; what comes is shown as its items and
//! events. What a provider keeps between requests (`previous_response_id`) is not there: the person's
//! history is stored here, and `x-nexus-history: server` gives it back.

mod answer;
mod request;
mod view;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use self::view::Events;
use super::{JSON, arrive, begin_run};
use crate::sse::EventStream;
use crate::{ApiError, AppState, Caller, run_headers};

pub(crate) async fn respond(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (body, wishes) = arrive(request, &state, &caller).await?;
    let asked = request::read(body)?;
    let delivery = asked.turn.delivery;
    let created = state.orchestrator.clock.now().timestamp();
    let begun = begin_run(&state, caller, asked, wishes).await?;
    let mut headers = begun.headers(&state);
    let events = begun.into_events();
    let view = Events::new(created);
    if delivery.streams() {
        run_headers::mark_stream(&mut headers);
        let events = EventStream::new(events, view, state.shutdown, state.grace);
        return Ok((headers, Body::new(events)).into_response());
    }
    let answer = view.collect(events).await?;
    headers.insert(CONTENT_TYPE, JSON);
    Ok((headers, answer).into_response())
}
