//! How Anthropic and Gemini refuse, fail and list their models, and what is done with too much.

use std::time::Duration;

use nexus_core::catalog::{Credential, Protocol};
use nexus_llm::{Delta, FinishReason, LlmError, Reachability};
use serde_json::{Value, json};

use crate::support::{
    KEY, Pieces, ask, asking, client, key, model, only_error, request_in, speaking, text,
};
use nexus_test_support::provider::{Provider as Double, answer, json as whole, stream};

async fn refused(protocol: Protocol, status: &str, body: &Value) -> LlmError {
    let acts = answer(status, "application/json", &body.to_string());
    let double = Double::playing([acts]);
    only_error(ask(&client(), request_in(protocol, &double.base_url)).await)
}

async fn streamed(protocol: Protocol, frames: &[Value]) -> Pieces {
    let events: Vec<_> = frames.iter().map(|it| format!("data: {it}\n\n")).collect();
    let double = Double::playing([stream(events.iter().map(String::as_bytes))]);
    ask(&client(), request_in(protocol, &double.base_url)).await
}

#[tokio::test]
async fn anthropics_errors_have_our_codes() {
    for (status, kind, code) in [
        (
            "400 Bad Request",
            "invalid_request_error",
            "provider_rejected",
        ),
        (
            "401 Unauthorized",
            "authentication_error",
            "provider_unauthorized",
        ),
        ("403 Forbidden", "permission_error", "provider_unauthorized"),
        ("404 Not Found", "not_found_error", "provider_rejected"),
        (
            "413 Payload Too Large",
            "request_too_large",
            "context_length_exceeded",
        ),
        (
            "429 Too Many Requests",
            "rate_limit_error",
            "provider_rate_limited",
        ),
        ("500 Internal Server Error", "api_error", "provider_failed"),
        ("529 Overloaded", "overloaded_error", "provider_failed"),
    ] {
        let body = json!({"type": "error", "error": {"type": kind, "message": "Because."}});
        let error = refused(Protocol::Anthropic, status, &body).await;
        assert_eq!(error.code(), code, "{error}");
        let is_told = error.to_string().contains("Because.");
        assert_eq!(
            is_told,
            matches!(
                code,
                "provider_rejected" | "provider_failed" | "context_length_exceeded"
            )
        );
    }
}

#[tokio::test]
async fn geminis_errors_have_our_codes() {
    for (status, number, word, code) in [
        (
            "400 Bad Request",
            400,
            "INVALID_ARGUMENT",
            "provider_rejected",
        ),
        (
            "400 Bad Request",
            400,
            "FAILED_PRECONDITION",
            "provider_rejected",
        ),
        (
            "403 Forbidden",
            403,
            "PERMISSION_DENIED",
            "provider_unauthorized",
        ),
        ("404 Not Found", 404, "NOT_FOUND", "provider_rejected"),
        (
            "429 Too Many Requests",
            429,
            "RESOURCE_EXHAUSTED",
            "provider_rate_limited",
        ),
        (
            "500 Internal Server Error",
            500,
            "INTERNAL",
            "provider_failed",
        ),
        (
            "503 Service Unavailable",
            503,
            "UNAVAILABLE",
            "provider_failed",
        ),
        (
            "504 Gateway Timeout",
            504,
            "DEADLINE_EXCEEDED",
            "provider_failed",
        ),
    ] {
        let error = json!({"error": {"code": number, "message": "Because.", "status": word}});
        // A stream wraps it in a list.
        for body in [error.clone(), json!([error])] {
            let error = refused(Protocol::Gemini, status, &body).await;
            assert_eq!(error.code(), code, "{error}");
        }
    }
}

#[tokio::test]
async fn gemini_says_in_the_body_what_others_say_with_a_status_and_a_header() {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]);
    let body = json!({"error": {"code": 400, "message": "API key not valid.",
        "status": "INVALID_ARGUMENT", "details": details}});
    let error = refused(Protocol::Gemini, "400 Bad Request", &body).await;
    assert_eq!(error.code(), "provider_unauthorized", "{error}");

    let details = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "34s"}]);
    let body = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED",
        "message": "Quota exceeded.", "details": details}});
    let error = refused(Protocol::Gemini, "429 Too Many Requests", &body).await;
    let LlmError::RateLimited { hint, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(hint.after, Some(Duration::from_secs(34)));
}

#[tokio::test]
async fn models_are_listed_where_each_vendor_lists_them() {
    let anthropic = r#"{"data": [{"type": "model", "id": "claude-sonnet-5-5",
        "display_name": "Claude Sonnet 5.5"}], "has_more": false}"#;
    let gemini = r#"{"models": [{"name": "models/gemini-embedding-001",
        "supportedGenerationMethods": ["embedContent"]}, {"name": "models/gemini-2.5-flash",
        "supportedGenerationMethods": ["generateContent"]}]}"#;
    for (protocol, list, id, path, header) in [
        (
            Protocol::Anthropic,
            anthropic,
            "claude-sonnet-5-5",
            "limit=1000",
            "x-api-key",
        ),
        (
            Protocol::Gemini,
            gemini,
            "gemini-2.5-flash",
            "pagesize=1000",
            "x-goog-api-key",
        ),
    ] {
        let double = Double::playing([whole(list)]);
        let base_url = double.base_url.clone();
        let provider = speaking(protocol, &base_url, Credential::Key(key(&base_url)));
        let models = vec![id.to_owned()];
        let reached = client().probe(&provider).await;
        assert_eq!(reached, Reachability::Ready { models });
        let head = &double.received()[0].head;
        let first_line = format!("get /v1/models?{path} http/1.1\r\n");
        assert!(head.starts_with(&first_line), "{head}");
        assert!(head.contains(&format!("{header}: {KEY}\r\n")), "{head}");
        assert!(!head.contains("authorization"), "{head}");
    }
}

#[tokio::test]
async fn auto_is_the_first_listed_model_that_can_be_asked() {
    let list = r#"{"models": [{"name": "models/embedding-001",
        "supportedGenerationMethods": ["embedContent"]}, {"name": "models/gemini-x"}]}"#;
    let answer = r#"{"candidates": [{"content": {"parts": [{"text": "Hello"}]},
        "finishReason": "STOP"}]}"#;
    let double = Double::playing([whole(list), whole(answer)]);
    let provider = speaking(Protocol::Gemini, &double.base_url, Credential::NotNeeded);
    let pieces = ask(&client(), asking(model(provider, "auto"))).await;
    assert_eq!(text(&pieces), "Hello");
    let head = &double.received()[1].head;
    let expected = "post /v1/models/gemini-x:streamgeneratecontent?alt=sse ";
    assert!(head.starts_with(expected), "{head}");
}

#[tokio::test]
async fn odd_fields_do_not_cost_the_answer() {
    let anthropic = [
        json!({"type": "message_start", "message": {"model": 5, "usage": []}}),
        json!({"type": "content_block_delta", "delta": {"text": "Hello"}}),
        json!({"type": "content_block_start", "content_block": null}),
        json!({"type": "content_block_delta", "index": "x", "delta": {"text": {"odd": true}}}),
        json!({"type": "content_block_stop"}),
        json!({"type": 7, "error": null}),
        json!({"type": "message_delta", "delta": {"stop_reason": "new_reason"}, "usage": null}),
        json!({"type": "message_stop"}),
    ];
    let gemini = [
        json!({"candidates": null, "usageMetadata": {}, "error": null}),
        json!({"candidates": [null, {"content": {"parts": [7, {"text": "Hello", "thought": "x"}]}}],
            "modelVersion": 5}),
        json!({"candidates": [{"content": {"parts": {}}, "finishReason": 7}], "promptFeedback": 1}),
        json!({"candidates": [{"content": null, "finishReason": "new_reason"}],
            "usageMetadata": []}),
    ];
    for (protocol, frames) in [
        (Protocol::Anthropic, anthropic.as_slice()),
        (Protocol::Gemini, gemini.as_slice()),
    ] {
        let pieces = streamed(protocol, frames).await;
        assert_eq!(text(&pieces), "Hello", "{pieces:?}");
        let Some(Ok(Delta::Finished(finish))) = pieces.last() else {
            panic!("{pieces:?}")
        };
        let reason = FinishReason::Other("new_reason".to_owned());
        assert_eq!((&finish.reason, finish.usage), (&reason, None));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_malformed() {
    for protocol in [Protocol::Anthropic, Protocol::Gemini] {
        for body in ["", "{}", "[1, 2]", "[]", "7", "no", r#"{"choices": []}"#] {
            let double = Double::playing([whole(body)]);
            let error = only_error(ask(&client(), request_in(protocol, &double.base_url)).await);
            assert_eq!(error.code(), "provider_malformed", "{body}: {error}");
        }
    }
}

#[tokio::test]
async fn too_many_calls_and_calls_without_a_name_are_refused() {
    let anthropic = |name: &str, count: usize| {
        let start = json!({"type": "content_block_start",
            "content_block": {"type": "tool_use", "id": "a", "name": name, "input": {}}});
        vec![start; count]
            .into_iter()
            .chain([json!({"type": "message_stop"})])
            .collect::<Vec<_>>()
    };
    let gemini = |name: &str, count: usize| {
        let part = json!({"functionCall": {"name": name}});
        vec![
            json!({"candidates": [{"content": {"parts": vec![part; count]},
            "finishReason": "STOP"}]}),
        ]
    };
    for (protocol, unnamed, most, too_many) in [
        (
            Protocol::Anthropic,
            anthropic("", 1),
            anthropic("f", 128),
            anthropic("f", 129),
        ),
        (
            Protocol::Gemini,
            gemini("", 1),
            gemini("f", 128),
            gemini("f", 129),
        ),
    ] {
        let error = only_error(streamed(protocol, &unnamed).await);
        assert!(error.to_string().contains("without naming it"), "{error}");
        assert_eq!(streamed(protocol, &most).await.len(), 129);
        let error = only_error(streamed(protocol, &too_many).await);
        assert!(error.to_string().contains("more than 128 tools"), "{error}");
    }
}

#[tokio::test]
async fn a_key_in_an_answer_goes_no_further() {
    for protocol in [Protocol::Anthropic, Protocol::Gemini] {
        let message = format!("The key {KEY} is out of credits.");
        let body = json!({"type": "error", "error": {"message": message}});
        for error in [
            refused(protocol, "400 Bad Request", &body).await,
            only_error(streamed(protocol, std::slice::from_ref(&body)).await),
        ] {
            let everything = format!("{error} {error:?}");
            assert!(!everything.contains("canary"), "{everything}");
        }
    }
}
