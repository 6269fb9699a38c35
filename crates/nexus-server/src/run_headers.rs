//! What headers ask of a run, and say about it.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use nexus_core::event::RunStarted;
use nexus_core::{ApiScope, PublicKey};

use crate::{ApiError, AppState, Caller};

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

/// Whether a request asks where each value in force came from. That is the profile, so an API key
/// must be one that may read it.
///
/// # Errors
/// When the header says something else than yes or no, or the key may not.
pub(crate) fn wants_explanation(headers: &HeaderMap, caller: &Caller) -> Result<bool, ApiError> {
    let explains = choice(headers, "x-nexus-explain", ["0", "1"])?;
    if explains {
        caller.may(ApiScope::ProfileRead)?;
    }
    Ok(explains)
}

/// Reads a header that says one of two things; without it, the first.
///
/// # Errors
/// When it says something else.
pub(crate) fn choice(
    headers: &HeaderMap,
    name: &'static str,
    [no, yes]: [&'static str; 2],
) -> Result<bool, ApiError> {
    let Some(value) = headers.get(name) else {
        return Ok(false);
    };
    if value == yes {
        Ok(true)
    } else if value == no {
        Ok(false)
    } else {
        let message = format!("the header {name} must be {no} or {yes}");
        Err(ApiError::unprocessable("invalid_header", message).field(name))
    }
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
