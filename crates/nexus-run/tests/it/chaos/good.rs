//! What a provider says when all is well.

use nexus_test_support::provider::{Act, Received, answer, end, json, piece};
use serde_json::json;

use super::ANSWER;

/// A streamed answer, with this text as its body.
pub(super) fn events(body: &str) -> Vec<Act> {
    answer("200 OK", "text/event-stream", body)
}

/// The events of [`ANSWER`].
pub(super) fn good_events() -> String {
    let pieces: String = ANSWER.split_inclusive(' ').map(piece).collect();
    pieces + &end(None)
}

/// [`ANSWER`] in one piece.
pub(super) fn good_body() -> String {
    let choice = json!({"message": {"content": ANSWER}, "finish_reason": "stop"});
    json!({"choices": [choice]}).to_string()
}

pub(super) fn answers_well(request: &Received) -> Vec<Act> {
    if request.streams() {
        events(&good_events())
    } else {
        json(&good_body())
    }
}
