//! What becomes of answers that fail, lie or never end.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use nexus_llm::{ChatRequest, Delta, FinishReason, LlmError, Timers};

use crate::support::{
    KEY, Pieces, ask, client, client_with, only_error, request, text, whole_request,
};
use nexus_test_support::provider::{
    Act, Provider as Double, answer, chunk, json, stream, stream_head, with_headers,
};

const HELLO: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";

async fn asked(acts: Vec<Act>) -> Pieces {
    asked_with(acts, request).await
}

async fn asked_with(acts: Vec<Act>, request: fn(&str) -> ChatRequest) -> Pieces {
    let double = Double::playing([acts]);
    ask(&client(), request(&double.base_url)).await
}

/// The answer began with `Hello`; how did it end?
#[track_caller]
fn interruption(pieces: &Pieces) -> &str {
    assert_eq!(text(pieces), "Hello", "{pieces:?}");
    match pieces.last() {
        Some(Err(LlmError::Interrupted { reason, .. })) => reason,
        other => panic!("an interruption was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn a_refused_key_is_told_apart() {
    for (status, code) in [("401 Unauthorized", 401), ("403 Forbidden", 403)] {
        let error = only_error(asked(answer(status, "application/json", "{}")).await);
        assert!(
            matches!(error, LlmError::Unauthorized { status, .. } if status == code),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_limit_says_when_to_come_back() {
    for (header, seconds) in [("retry-after: 7\r\n", 7), ("retry-after-ms: 3000\r\n", 3)] {
        let acts = with_headers("429 Too Many Requests", header, "{}");
        let error = only_error(asked(acts).await);
        assert!(matches!(error, LlmError::RateLimited { .. }), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
    }
}

#[tokio::test]
async fn a_refused_request_says_why() {
    let body = r#"{"error":{"message":"max_tokens is too large","code":"invalid"}}"#;
    let error = only_error(asked(answer("400 Bad Request", "application/json", body)).await);
    assert_eq!(
        error.to_string(),
        "provider acme refused the request (HTTP 400): max_tokens is too large"
    );
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_failure_on_the_other_side_may_be_tried_again() {
    let page = "<html><h1>Internal Server Error</h1></html>";
    let error = only_error(asked(answer("500 Internal Server Error", "text/html", page)).await);
    assert_eq!(
        error.to_string(),
        "provider acme failed (HTTP 500): it sent a web page"
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Double::playing([]);
    let location = format!("location: {}/chat/completions\r\n", elsewhere.base_url);
    let error = only_error(asked(with_headers("307 Temporary Redirect", &location, "")).await);
    assert!(
        matches!(error, LlmError::Rejected { status: 307, .. }),
        "{error}"
    );
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_malformed() {
    let empty = || with_headers("200 OK", "", "");
    let no_content = || vec![Act::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())];
    for acts in [
        answer("200 OK", "text/html", "<html>Log in to the wifi</html>"),
        answer("200 OK", "text/event-stream", ""),
        answer(
            "200 OK",
            "text/event-stream",
            "data: {\"choices\":[{\"delta\":\n\n",
        ),
        answer("200 OK", "text/event-stream", "data: 17\n\n"),
        json(""),
        json("{}"),
        json("[1, 2]"),
        json("no"),
        empty(),
        no_content(),
        with_headers(
            "200 OK",
            "content-encoding: gzip\r\ncontent-type: application/json\r\n",
            "x",
        ),
    ] {
        let shown = format!("{acts:?}");
        let error = only_error(asked(acts.clone()).await);
        assert!(
            matches!(error, LlmError::Malformed { .. }),
            "{error}: {shown}"
        );
        let error = only_error(asked_with(acts, whole_request).await);
        assert!(
            matches!(error, LlmError::Malformed { .. }),
            "{error}: {shown}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_does_not_say_what_it_is_is_taken_for_what_was_asked_for() {
    let whole = r#"{"choices":[{"message":{"content":"Hello"}}]}"#;
    let streamed = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: [DONE]\n\n";
    for headers in ["", "content-type: text/plain\r\n"] {
        let pieces = asked(with_headers("200 OK", headers, streamed)).await;
        assert_eq!(text(&pieces), "Hello");
        let pieces = asked_with(with_headers("200 OK", headers, whole), whole_request).await;
        assert_eq!(text(&pieces), "Hello");
    }
}

#[tokio::test]
async fn odd_fields_do_not_cost_the_answer() {
    let frames = [
        r#"{"choices":null,"usage":{}}"#,
        r#"{"choices":[],"usage":null,"error":null}"#,
        r#"{"choices":[null,{"delta":{"content":"Hello","role":7,"tool_calls":null}}],"model":5}"#,
        r#"{"choices":[{"delta":null,"finish_reason":""}]}"#,
        r#"{"choices":[{"delta":{"content":[{"type":"text","text":" there"}]}}]}"#,
        r#"{"choices":[{"delta":{"content":{"odd":true}},"finish_reason":7}],"usage":[]}"#,
        r#"{"choices":"none","object":"ping"}"#,
        r#"{"choices":[{"finish_reason":"eos_token"}]}"#,
    ];
    let frames = frames.map(|frame| format!("data: {frame}\n\n"));
    let pieces = asked(stream(frames.iter().map(String::as_bytes))).await;
    assert_eq!(text(&pieces), "Hello there");
    let Some(Ok(Delta::Finished(finish))) = pieces.last() else {
        panic!("{pieces:?}")
    };
    assert_eq!(finish.reason, FinishReason::Other("eos_token".to_owned()));
    assert_eq!(finish.usage, None);
}

#[tokio::test]
async fn an_answer_that_ends_in_the_middle_is_an_interruption() {
    let cut_off = |end| vec![stream_head(), chunk(HELLO), end];
    for acts in [
        stream([HELLO]),
        cut_off(Act::Close),
        cut_off(Act::Reset),
        stream([HELLO, b"data: {\"choices\":[{\"del"]),
        stream([HELLO, b"data: not json\n\n"]),
    ] {
        assert!(!interruption(&asked(acts).await).is_empty());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_unreachable() {
    for acts in [
        vec![Act::Close],
        vec![Act::Reset],
        vec![stream_head(), Act::Close],
    ] {
        let error = only_error(asked(acts).await);
        assert!(matches!(error, LlmError::Unreachable { .. }), "{error}");
    }
    let error = only_error(asked(vec![Act::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())]).await);
    assert_eq!(
        error.to_string(),
        "provider acme cannot be reached: what came is not HTTP"
    );
}

#[tokio::test]
async fn nobody_at_the_address_is_said_plainly() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error = only_error(ask(&client(), request(&format!("http://{address}/v1"))).await);
    let expected = "provider acme cannot be reached: nothing listens at its address";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .expect("a reader");
        stream
    };
    let client = client();
    let asking = ask(&client, request(&format!("https://{address}/v1")));
    let (pieces, _stream) = tokio::join!(asking, server);
    let error = only_error(pieces);
    let expected = "provider acme cannot be reached: no TLS connection could be made";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_said_plainly() {
    let error = only_error(ask(&client(), request("http://nexus.invalid/v1")).await);
    let expected = "provider acme cannot be reached: its name is not known";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn an_error_inside_a_stream_is_seen() {
    let frame = |error: &str| format!("data: {{\"error\":{error},\"choices\":[]}}\n\n");
    let overloaded = frame(r#"{"code":502,"message":"overloaded"}"#);
    let limited = frame(r#"{"code":429,"message":"slow down"}"#);
    let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}\n\n";

    let error = only_error(asked(stream([overloaded.as_bytes()])).await);
    assert_eq!(
        error.to_string(),
        "provider acme failed (HTTP 200): overloaded"
    );
    let error = only_error(asked(stream([limited.as_bytes()])).await);
    assert!(matches!(error, LlmError::RateLimited { .. }), "{error}");
    let error = only_error(asked(json(r#"{"error":"model not loaded"}"#)).await);
    assert_eq!(
        error.to_string(),
        "provider acme failed (HTTP 200): model not loaded"
    );

    let pieces = asked(stream([HELLO, overloaded.as_bytes()])).await;
    assert_eq!(interruption(&pieces), "overloaded");
    let pieces = asked(stream([HELLO, finish.as_bytes()])).await;
    assert_eq!(interruption(&pieces), "it ended the answer with an error");
}

#[tokio::test]
async fn a_key_in_an_answer_goes_no_further() {
    let echoed = format!(r#"{{"error":{{"message":"Incorrect API key provided: {KEY}."}}}}"#);
    let in_stream = format!("data: {echoed}\n\n");
    for acts in [
        answer("401 Unauthorized", "application/json", &echoed),
        answer("400 Bad Request", "application/json", &echoed),
        answer(
            "400 Bad Request",
            "text/plain",
            &format!("{} {KEY}", "x".repeat(490)),
        ),
        answer("500 Internal Server Error", "text/plain", &echoed),
        answer("200 OK", &format!("text/{KEY}"), ""),
        with_headers("200 OK", &format!("content-encoding: {KEY}\r\n"), ""),
        stream([in_stream.as_bytes()]),
        stream([HELLO, in_stream.as_bytes()]),
        json(&echoed),
    ] {
        let pieces = asked(acts).await;
        let Some(Err(error)) = pieces.last() else {
            panic!("an error was expected: {pieces:?}")
        };
        let everything = format!("{error} {error:?}");
        assert!(!everything.contains("canary"), "{everything}");
    }
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_refused_early() {
    let line = vec![b'x'; 10 * 1024 * 1024];
    let error = only_error(asked(stream([line.as_slice()])).await);
    assert!(
        error.to_string().contains("a line is longer than 256 KiB"),
        "{error}"
    );
    let body = String::from_utf8(line).expect("text");
    let error = only_error(asked_with(json(&body), whole_request).await);
    assert!(
        error.to_string().contains("it is longer than 8 MiB"),
        "{error}"
    );
}

#[tokio::test]
async fn silence_on_a_real_connection_times_out() {
    let short = Duration::from_millis(50);
    let timers = Timers {
        slow_first_event: short,
        ..Timers::default()
    };
    for acts in [vec![Act::Hold], vec![stream_head(), Act::Hold]] {
        let double = Double::playing([acts]);
        let pieces = ask(&client_with(timers), request(&double.base_url)).await;
        let error = only_error(pieces);
        assert!(
            matches!(error, LlmError::TimedOut { waited, .. } if waited == short),
            "{error}"
        );
        double.client_left().await;
    }
    let timers = Timers {
        byte_idle: short,
        ..Timers::default()
    };
    let double = Double::playing([vec![stream_head(), chunk(HELLO), Act::Hold]]);
    let pieces = ask(&client_with(timers), request(&double.base_url)).await;
    assert!(
        matches!(
            pieces[..],
            [Ok(Delta::Text(_)), Err(LlmError::TimedOut { .. })]
        ),
        "{pieces:?}"
    );
    double.client_left().await;
}

#[tokio::test]
async fn an_error_body_that_never_ends_does_not_hold_the_error_back() {
    let head = "HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbad\r\n";
    let double = Double::playing([vec![Act::Send(head.into()), Act::Hold]]);
    let timers = Timers {
        trailing: Duration::from_millis(50),
        ..Timers::default()
    };
    let error = only_error(ask(&client_with(timers), request(&double.base_url)).await);
    assert!(
        matches!(error, LlmError::Failed { status: 500, .. }),
        "{error}"
    );
}
