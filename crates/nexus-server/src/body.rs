//! JSON that comes in: checked for kind, size and shape, with errors that say where. A body takes
//! its part of the memory that all requests share as it arrives, on the account of its sender, who
//! is known before.

mod shape;

use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::Request;
use futures_util::StreamExt as _;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use nexus_run::limiter::MemoryFull;
use nexus_run::{Admitted, Reserved};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{ApiError, AppState};

use self::shape::MAX_NODES;
pub(crate) use self::shape::NODE_BYTES;

/// The longest body of a member, in bytes, where a route does not say otherwise.
pub(crate) const MAX_BODY_BYTES: usize = 256 * 1024;

/// The longest body of anybody else, in bytes.
pub(crate) const MAX_STRANGER_BYTES: usize = 64 * 1024;

/// The memory that each byte of a body takes: itself and what is read of it, later that and what is
/// sent to a provider, which grows as it is written.
const BYTES_PER_BYTE: usize = 3;

/// Bodies that are longer are read on threads of their own, so that they hold up nobody else.
const LONG: usize = 256 * 1024;

/// The length of the pieces in which a body is kept while it arrives.
const PIECE: usize = 256 * 1024;

/// Long bodies that are read at the same time.
static LONG_READS: Semaphore = Semaphore::const_new(2);

/// The longest body that may come with a request, where a member may send `most`.
pub(crate) fn longest(admitted: &Admitted, most: usize) -> usize {
    if admitted.is_of_a_member() {
        most
    } else {
        most.min(MAX_STRANGER_BYTES)
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
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|it| it != "identity")
    {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "the body must not be compressed: send it without `Content-Encoding`",
        ));
    }
    let refused = |message: &'static str| {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Err(ApiError::new(status, "unsupported_media_type", message))
    };
    match MediaType::of(headers) {
        MediaType::Json => Ok(()),
        MediaType::JsonInOtherCharset => refused(
            "the body must be in UTF-8: send `Content-Type: application/json` without `charset`, or \
             with `charset=utf-8`",
        ),
        MediaType::Other => refused("the body must be JSON: send `Content-Type: application/json`"),
    }
}

/// The exact bytes of a body, of which there may be `most`.
pub(crate) async fn arrive(
    request: Request,
    state: &AppState,
    most: usize,
    memory: &mut Reserved,
) -> Result<Vec<u8>, ApiError> {
    let body = request.into_body();
    if body.size_hint().lower() > most as u64 {
        return Err(too_large(most));
    }
    let arriving = async {
        let mut arrived = Pieces::default();
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| broken_off())?;
            if arrived.length + piece.len() > most {
                return Err(too_large(most));
            }
            memory.grow(piece.len() * BYTES_PER_BYTE)?;
            arrived.add(&piece);
        }
        Ok(arrived.join())
    };
    let arrived = tokio::time::timeout(state.body_timeout, arriving).await;
    arrived.map_err(|_| too_slow(state.body_timeout))?
}

/// What has arrived of a body, in pieces of one length: a long text that grows in one place is copied
/// as it does, and takes up to three times its length meanwhile.
#[derive(Default)]
struct Pieces {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
    length: usize,
}

impl Pieces {
    fn add(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while let Some((now, later)) = bytes.split_at_checked(PIECE - self.last.len()) {
            self.last.extend_from_slice(now);
            self.full.push(std::mem::take(&mut self.last));
            self.last.reserve_exact(PIECE);
            bytes = later;
        }
        self.last.extend_from_slice(bytes);
    }

    fn join(self) -> Vec<u8> {
        if self.full.is_empty() {
            return self.last;
        }
        let mut whole = Vec::with_capacity(self.length);
        for piece in self.full.into_iter().chain([self.last]) {
            whole.extend_from_slice(&piece);
        }
        whole
    }
}

/// Does what takes long for a long body on a thread of its own.
pub(crate) async fn apart<T: Send + 'static>(
    body: Vec<u8>,
    work: impl FnOnce(Vec<u8>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if body.len() <= LONG {
        return work(body);
    }
    // The semaphore is never closed.
    let permit = LONG_READS.acquire().await.ok();
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work(body)
    });
    done.await.map_err(ApiError::internal)?
}

impl From<MemoryFull> for ApiError {
    fn from(full: MemoryFull) -> Self {
        let message = full.to_string();
        match full {
            MemoryFull::All | MemoryFull::Share => Self::overloaded(message),
            MemoryFull::Never => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_complex", message)
            }
        }
    }
}

/// What a body says that it is.
enum MediaType {
    Json,
    JsonInOtherCharset,
    Other,
}

impl MediaType {
    fn of(headers: &HeaderMap) -> Self {
        let mut kinds = headers.get_all(CONTENT_TYPE).iter();
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            return Self::Other;
        };
        let mut parts = kind.to_str().unwrap_or_default().split(';');
        let essence = parts.next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Self::Other;
        }
        let mut charsets = parts
            .filter_map(|parameter| parameter.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .map(|(_, charset)| charset.trim().trim_matches('"'));
        if charsets.all(|it| it.eq_ignore_ascii_case("utf-8") || it.eq_ignore_ascii_case("utf8")) {
            Self::Json
        } else {
            Self::JsonInOtherCharset
        }
    }
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

fn too_complex() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_complex",
        format!("the body holds more than {MAX_NODES} values and names: send less at a time"),
    )
    .details(json!({ "limit": MAX_NODES }))
}

fn broken_off() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "body_incomplete",
        "the body broke off before its end",
    )
}

/// Reads a body as a JSON object, and takes the memory for what it holds.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8], memory: &mut Reserved) -> Result<T, ApiError> {
    memory.grow(count_nodes(body)? * NODE_BYTES)?;
    build(body)
}

/// Reads a body as a JSON object.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    count_nodes(body)?;
    build(body)
}

fn count_nodes(body: &[u8]) -> Result<usize, ApiError> {
    match shape::count_nodes(body) {
        nodes if nodes > MAX_NODES => Err(too_complex()),
        nodes => Ok(nodes),
    }
}

fn build<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_joined_as_it_came() {
        for lengths in [
            &[][..],
            &[0, 1],
            &[PIECE],
            &[PIECE - 1, 1, 1],
            &[3 * PIECE + 5, 7, 2 * PIECE],
        ] {
            let mut pieces = Pieces::default();
            let mut expected = Vec::new();
            for (place, length) in (0_u8..).zip(lengths) {
                let bytes = vec![place; *length];
                pieces.add(&bytes);
                expected.extend(bytes);
            }
            assert_eq!(pieces.length, expected.len());
            assert!(pieces.full.iter().all(|piece| piece.len() == PIECE));
            assert!(pieces.join() == expected, "{lengths:?}");
        }
    }
}
