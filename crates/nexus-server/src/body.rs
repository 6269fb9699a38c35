//! JSON that comes in: checked for kind, size and shape, with errors that say where.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_json::json;

use crate::{ApiError, AppState};

/// The longest body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 256 * 1024;

/// A body of JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        check_kind(request.headers())?;
        let body = arrive(request, state, MAX_BODY_BYTES).await?;
        parse(&body).map(Self)
    }
}

/// Refuses a body where nothing is to be said. `{}` says nothing.
pub(crate) fn nothing(body: &[u8]) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    parse(body).map(|Nothing {}| ())
}

/// Refuses a body that does not say that it is JSON.
pub(crate) fn check_kind(headers: &HeaderMap) -> Result<(), ApiError> {
    if is_json(headers) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "the body must be JSON: send `Content-Type: application/json`",
    ))
}

/// The exact bytes of a body, of which there may be `most`.
pub(crate) async fn arrive(
    request: Request,
    state: &AppState,
    most: usize,
) -> Result<Bytes, ApiError> {
    let arriving = Bytes::from_request(request, state);
    let arrived = tokio::time::timeout(state.body_timeout, arriving).await;
    let body = arrived
        .map_err(|_| too_slow(state.body_timeout))?
        .map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(most),
            _ => broken_off(),
        })?;
    if body.len() > most {
        return Err(too_large(most));
    }
    Ok(body)
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return false;
    };
    let essence = kind.to_str().ok().and_then(|kind| kind.split(';').next());
    essence.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn too_slow(limit: Duration) -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "body_timeout",
        format!("the body did not arrive within {} seconds", limit.as_secs()),
    )
}

fn too_large(most: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body is longer than {most} bytes: send less at a time"),
    )
    .details(json!({ "limit": most }))
}

fn broken_off() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "body_incomplete",
        "the body broke off before its end",
    )
}

/// Reads a body as a JSON object.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    // Serde would also take a list of the fields' values in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        IgnoredAny::deserialize(&mut reader).map_err(|error| malformed(&error))?;
        let message = "the body must be a JSON object: {…}";
        return Err(ApiError::unprocessable("wrong_type", message));
    }
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = shortened(&error.path().to_string());
        match error.inner() {
            inner if inner.classify() == Category::Data => misshapen(&path, inner),
            inner => malformed(inner),
        }
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    let reason = match error.classify() {
        Category::Eof => "it ends too early".to_owned(),
        _ => reason(error),
    };
    let message = format!("the body is not JSON: {reason}, at line {line} column {column}");
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", message)
        .details(json!({ "line": line, "column": column }))
}

/// It is JSON, but not what is expected at `path`.
fn misshapen(path: &str, error: &serde_json::Error) -> ApiError {
    let reason = reason(error);
    let error = match reason.split_whitespace().next() {
        Some("unknown") => ApiError::unprocessable("unknown_field", reason),
        Some("missing") => ApiError::unprocessable("missing_field", reason),
        Some("duplicate") => ApiError::unprocessable("duplicate_field", reason),
        _ => ApiError::unprocessable("wrong_type", format!("{path}: {reason}")),
    };
    if path == "." {
        error
    } else {
        error.field(path)
    }
}

/// The words of serde, without the place, and without the whole of a text that it repeats.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ");
    shortened(reason.map_or(&*text, |(reason, _)| reason))
}

/// What a client sent is not sent back to it at length.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
