//! What the headers of an answer say about its run.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use nexus_core::PublicKey;
use nexus_core::event::RunStarted;

use crate::AppState;

/// What makes an answer a stream. A proxy that collected the events first would undo it.
const STREAM: [(HeaderName, &str); 3] = [
    (CONTENT_TYPE, "text/event-stream"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// Marks an answer as a stream.
pub(crate) fn mark_stream(headers: &mut HeaderMap) {
    for (name, value) in STREAM {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The first event again, for clients that look at headers, and how many questions may follow in
/// this minute. A name that a header cannot carry is left to the event.
pub(crate) fn of_run(state: &AppState, started: &RunStarted) -> HeaderMap {
    let mut headers = HeaderMap::new();
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
    tell_what_is_left(state, started.owner_key, &mut headers);
    headers
}

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
