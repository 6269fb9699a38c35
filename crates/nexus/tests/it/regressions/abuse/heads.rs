//! What the head of a request says of its body, and what the answer says of it.

use serde_json::{Value, json};

use super::{Attacked, Upload, code, post};
use crate::http;

/// Sends a question with these headers beside.
fn ask(attacked: &Attacked, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let authorization = format!("Bearer {}", attacked.member);
    let own = [
        ("host", attacked.address()),
        ("authorization", &authorization),
    ];
    let body = if path.starts_with("/v1/") {
        json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
    } else {
        json!({"content": "Hello"})
    };
    let line = format!("POST {path}");
    let headers = [&own, headers].concat();
    http::call(attacked.address(), &line, &headers, &body.to_string())
}

/// A body in another character set than UTF-8 is refused, and says why.
#[test]
fn a_body_in_another_charset_is_refused() {
    let attacked = Attacked::begin("");
    for path in ["/api/v1/chat", "/v1/chat/completions"] {
        for kind in [
            "application/json; charset=utf-16",
            "application/json;charset=\"ISO-8859-1\"",
            "application/json; version=1; Charset = UTF-16LE",
            "application/json; charset=",
            "application/json; charset=utf-8; charset=utf-16",
        ] {
            let (status, refused) = ask(&attacked, path, &[("content-type", kind)]);
            assert_eq!(status, 415, "{kind}: {refused}");
            let error = &refused["error"];
            assert_eq!(error["code"], "unsupported_media_type", "{kind}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("charset=utf-8"), "{kind}: {message}");
        }
        for kind in [
            "application/json",
            "Application/JSON; Charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; version=1",
        ] {
            let (status, answer) = ask(&attacked, path, &[("content-type", kind)]);
            assert_eq!(status, 200, "{kind}: {answer}");
        }
    }
}

/// An expectation that the server does not meet is 417, in the words of each interface; the one that
/// it meets is met.
#[test]
fn an_unknown_expectation_is_refused() {
    let attacked = Attacked::begin("");
    let json = ("content-type", "application/json");
    for path in ["/api/v1/chat", "/v1/chat/completions"] {
        for expected in ["200-ok", "100-continue, x", "", "100"] {
            let headers = [json, ("expect", expected)];
            let (status, refused) = ask(&attacked, path, &headers);
            assert_eq!(status, 417, "{expected}: {refused}");
            assert_eq!(refused["error"]["code"], "expectation_failed", "{refused}");
            let is_openai = refused["error"]["type"].is_string();
            assert_eq!(is_openai, path.starts_with("/v1/"), "{refused}");
        }
        for expected in ["100-continue", "100-Continue"] {
            let body = br#"{"content":"Hello"}"#;
            let head = format!("expect: {expected}\r\n");
            let address = attacked.address();
            let upload = Upload::with(address, path, &attacked.member, body.len(), &head);
            assert_eq!(upload.reply().unwrap().status, 100, "{path}");
        }
    }
}

/// Cancelling a run that is not there speaks of cancelling, whatever stands in its place.
#[test]
fn cancelling_an_unknown_run_speaks_of_cancelling() {
    let attacked = Attacked::begin("");
    for run in ["run_0199c5a0-0000-7000-8000-000000000000", "run_x", "%20"] {
        let path = format!("/api/v1/runs/{run}/cancel");
        let reply = post(attacked.address(), &path, &attacked.member, b"").unwrap();
        assert_eq!((reply.status, code(&reply)), (404, "run_not_found"));
        let message = reply.body["error"]["message"].as_str().unwrap();
        assert!(!message.contains("asked again"), "{message}");
        assert!(message.contains("GET /api/v1/runs"), "{message}");
    }
}
