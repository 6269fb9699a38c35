//! A refusal that reaches a client which still sends its body: some of the rest is taken and thrown
//! away first. A connection that is closed on unread bytes may take the answer with it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, StatusCode};
use hyper::body::{Frame, SizeHint};

use crate::ApiError;

/// How much is thrown away at most.
const MOST: usize = 1024 * 1024;
/// For how long at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lets an answer that is an error wait until the body of its request is over, within limits.
pub(crate) async fn drain_refused(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    // Such a client sends its body when it is told to, which reading it does.
    let waits = parts.headers.get_all(EXPECT).iter().any(is_continue);
    let rest = Rest::new(body);
    let request = Request::from_parts(parts, Body::new(rest.clone()));
    let mut response = next.run(request).await;
    let status = response.status();
    let is_refused = status.is_client_error() || status.is_server_error();
    // Whoever was too slow was waited for long enough.
    if is_refused && status != StatusCode::REQUEST_TIMEOUT && (rest.has_begun() || !waits) {
        _ = tokio::time::timeout(PATIENCE, rest.drain()).await;
    }
    if is_refused && !rest.is_end_stream() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Refuses a request that expects something else than to be told when to send its body.
pub(crate) async fn check_expectation(request: Request, next: Next) -> Response {
    if request.headers().get_all(EXPECT).iter().all(is_continue) {
        return next.run(request).await;
    }
    ApiError::new(
        StatusCode::EXPECTATION_FAILED,
        "expectation_failed",
        "this server meets no expectation but `Expect: 100-continue`: leave the header out",
    )
    .into_response()
}

fn is_continue(expectation: &HeaderValue) -> bool {
    expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
}

/// A body of which more may be read when its reader has gone.
#[derive(Clone)]
struct Rest(Arc<Mutex<Reading>>);

struct Reading {
    body: Body,
    has_begun: bool,
}

impl Rest {
    fn new(body: Body) -> Self {
        let has_begun = false;
        Self(Arc::new(Mutex::new(Reading { body, has_begun })))
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_begun(&self) -> bool {
        self.lock().has_begun
    }

    /// Reads to the end, or until it was enough.
    async fn drain(&self) {
        let mut body = self.clone();
        let mut drained = 0;
        while drained < MOST {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            match frame {
                Some(Ok(frame)) => drained += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => return,
            }
        }
    }
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut reading = self.lock();
        reading.has_begun = true;
        Pin::new(&mut reading.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().body.size_hint()
    }
}
