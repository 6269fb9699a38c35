//! `POST /v1/responses`: the newer interface (<https://platform.openai.com/docs/api-reference/responses>).
//! What it asks is put into the words of chat completions; what comes is shown as its items and
//! events. What a provider keeps between requests (`previous_response_id`) is not there: the person's
//! history is stored here, and `x-nexus-history: server` gives it back.

mod answer;
mod request;
mod view;

use axum::extract::{Request, State};
use axum::response::Response;

use self::view::Events;
use super::{Answering, whole};
use crate::admission::Admission;
use crate::{ApiError, AppState};

pub(crate) async fn respond(
    State(state): State<AppState>,
    admission: Admission,
    request: Request,
) -> Result<Response, ApiError> {
    let answering = Answering::begin(&state, admission, request, request::read).await?;
    let created = answering.created;
    if answering.delivery.streams() {
        return Ok(answering.stream(state, Events::new(created)));
    }
    let answer = view::collect(answering.events, created).await?;
    Ok(whole(answering.headers, answer))
}
