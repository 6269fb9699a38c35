//! Questions that are asked again.

use rusqlite::Connection;
use serde_json::json;

use super::ends::{mended_after, start};
use super::{messages, post};
use crate::http::{self, finished};

/// P3: a question is asked again however long ago it was, with what came before it.
#[test]
fn a_question_of_long_ago_is_asked_again() {
    let provider = mended_after(|request| {
        let error = json!({"message": "no such thing"});
        request.json(422, &json!({ "error": error }))
    });
    let (home, server, token) = start(&provider.base_url);
    let events = http::chat(&server.address, &token, "The first question");
    assert_eq!(finished(&events)["status"], "failed", "{events:?}");
    let run = messages(&server, &token)[0]["run_id"].clone();
    let asked = |content: &str| {
        let events = http::chat(&server.address, &token, content);
        assert_eq!(finished(&events)["status"], "completed", "{events:?}");
    };
    asked("Afterwards");
    // More than any page, or any ten of them, holds.
    let database = Connection::open(home.path("data/nexus.db")).unwrap();
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
        INSERT INTO messages (id, run_id, owner_key, role, content, timestamp, metadata)
        SELECT 'msg_copy' || i, 'run_copy' || i, owner_key, role, content, timestamp, '{}'
        FROM n, (SELECT * FROM messages ORDER BY seq DESC LIMIT 1)";
    assert_eq!(database.execute(copies, []).unwrap(), 1500);

    let (status, body) = post(&server, &token, "/api/v1/chat", &json!({ "run_id": run }));
    assert_eq!(status, 200, "{body:#}");
    let shown = provider.requests().pop().unwrap()["messages"].clone();
    let texts: Vec<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["content"])
        .collect();
    assert_eq!(texts, ["Be kind.", "The first question"]);
    let again = post(&server, &token, "/api/v1/chat", &json!({ "run_id": run }));
    assert_eq!(again.0, 409, "it is answered");
}
