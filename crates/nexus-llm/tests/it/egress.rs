//! Where requests and keys go, and where they do not. `t17`, `t18`, `t19` and `t20` are rows of the
//! threat table.

use std::time::Duration;

use nexus_core::catalog::Credential;
use nexus_llm::{AddressRules, Delta, LlmClient, LlmError, Reachability, Timers};
use nexus_test_support::log::Log;
use serde_json::{Value, json};

use crate::support::{
    KEY, Pieces, ask, asking, client, client_with, key, keyed, model, only_error, provider,
    request, text, whole_request,
};
use nexus_test_support::provider::{
    Act, Provider as Double, answer, chunk, json as json_answer, stream, stream_head, with_headers,
};

const HELLO: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";

/// What a provider can do to get a key into somebody's hands, but for telling it in an answer.
fn betrayals() -> Vec<Vec<Act>> {
    let statuses = [
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "418 Teapot",
        "429 Too Many Requests",
        "500 Oh",
        "503 Later",
    ];
    let bodies = [
        format!("bad key {KEY}"),
        format!("authorization: Bearer {KEY}\r\n"),
        format!(r#"{{"error":{{"message":"{KEY} is wrong","code":"{KEY}"}}}}"#),
        format!(r#"{{"error":{{"type":"{KEY}"}}}}"#),
        format!(r#"{{"error":"{KEY}"}}"#),
        format!(r#"[{{"error":{{"message":"{KEY}"}}}}]"#),
        format!(r#"{{"error":{{"message":"x","metadata":{{"raw":"{KEY}"}}}}}}"#),
        format!(r#"{{"detail":"{KEY}"}}"#),
        format!(r#"{{"headers":{{"authorization":"Bearer {KEY}"}}}}"#),
        format!(r#"{{"odd":"{}"}}"#, KEY.replace('-', "\\u002d")),
        format!("<html>{KEY}</html>"),
        // Cut in the middle of the key, by the limit of what is read.
        format!("{}{KEY}", " ".repeat(8 * 1024 - 10)),
        format!("{}{KEY}", "x".repeat(495)),
    ];
    let refusals = statuses.iter().flat_map(|status| {
        let answers = bodies
            .iter()
            .map(|body| answer(status, "application/json", body));
        answers.collect::<Vec<_>>()
    });
    let frames = [
        format!("data: {{\"error\":{{\"message\":\"{KEY}\"}}}}\n\n"),
        format!("data: {{\"error\":{{\"message\":\"{KEY}\",\"code\":429}}}}\n\n"),
        format!("data: {KEY}\n\n"),
        format!("data: {{\"{KEY}\n\n"),
        format!("event: error\ndata: {KEY}\n\n"),
        format!(
            "data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{KEY}\"}}],\"model\":\"{KEY}\"}}\n\ndata: [DONE]\n\n"
        ),
        format!("data: {{\"choices\":\"{KEY}\"}}\n\n"),
        format!("{KEY}\n\n"),
    ];
    let streams = frames.iter().flat_map(|frame| {
        [
            stream([frame.as_bytes()]),
            stream([HELLO, frame.as_bytes()]),
            vec![stream_head(), chunk(frame.as_bytes()), Act::Reset],
        ]
    });
    let heads = [
        format!("content-type: {KEY}\r\n"),
        format!("content-encoding: {KEY}\r\n"),
        format!("content-type: application/json\r\nx-echo: {KEY}\r\nset-cookie: k={KEY}\r\n"),
    ];
    let heads = heads
        .iter()
        .map(|head| with_headers("200 OK", head, &format!("{KEY} {{")));
    let location = format!("location: http://{KEY}.test/?key={KEY}\r\n");
    let others = [
        with_headers("302 Found", &location, KEY),
        json_answer(KEY),
        json_answer(&format!(r#"{{"error":"{KEY}"}}"#)),
        vec![Act::Send(format!("{KEY} is not HTTP\r\n\r\n").into())],
        vec![Act::Send(
            format!("HTTP/1.1 200 {KEY}\r\nbad header {KEY}\r\n\r\n").into(),
        )],
        vec![Act::Close],
        vec![Act::Reset],
        vec![Act::Hold],
    ];
    refusals.chain(streams).chain(heads).chain(others).collect()
}

#[tokio::test]
async fn t17_a_key_is_in_no_error_no_log_and_no_list_whatever_a_provider_says() {
    let log = Log::of_process();
    let brief = Duration::from_millis(300);
    let client = client_with(Timers {
        connect: brief,
        first_event: brief,
        slow_first_event: brief,
        whole_turn: brief,
        whole_answer: brief,
        ..Timers::default()
    });
    let mut said = Vec::new();
    for acts in betrayals() {
        for request in [request, whole_request] {
            let double = Double::playing([acts.clone()]);
            let request = request(&double.base_url);
            said.push(format!("{request:?}"));
            for piece in ask(&client, request).await {
                said.push(match piece {
                    Ok(piece) => format!("{piece:?}"),
                    Err(error) => format!("{error} {error:?}"),
                });
            }
            let sent = double.first_request().await;
            assert!(sent.head.contains(KEY), "the key was sent");
        }
        let double = Double::playing([acts]);
        said.push(format!(
            "{:?}",
            client.probe(&keyed(&double.base_url)).await
        ));
    }
    let lists = [
        format!(r#"{{"data":[{{"id":"{KEY}"}}]}}"#),
        format!(r#"["{KEY}"]"#),
        format!(r#"{{"data":"{KEY}"}}"#),
    ];
    for list in lists {
        let double = Double::playing([json_answer(&list), answer("400 No", "text/plain", KEY)]);
        said.push(format!(
            "{:?}",
            client.probe(&keyed(&double.base_url)).await
        ));
        let double = Double::playing([json_answer(&list), answer("400 No", "text/plain", KEY)]);
        let automatic = asking(model(keyed(&double.base_url), "auto"));
        said.push(format!("{:?}", ask(&client, automatic).await));
    }
    for base_url in [
        "http://127.0.0.1:1",
        "https://127.0.0.1:1",
        "http://10.0.0.1",
        "http://nobody.invalid",
    ] {
        said.push(format!("{:?}", ask(&client, request(base_url)).await));
        said.push(format!("{:?}", client.probe(&keyed(base_url)).await));
    }
    for said in &said {
        assert!(!said.contains(KEY) && !said.contains(&KEY[..8]), "{said}");
    }
    let log = log.text();
    assert!(!log.contains(KEY), "{log}");
    assert!(
        log.contains("a provider was not asked"),
        "the log was listened to: {log}"
    );
}

/// One event with something that the model says.
fn frame(delta: &Value) -> Vec<u8> {
    format!("data: {}\n\n", json!({"choices": [{"delta": delta}]})).into_bytes()
}

const DONE: &[u8] =
    b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// What a model said and thought.
fn said(pieces: &Pieces) -> (String, String) {
    let thoughts = pieces.iter().filter_map(|piece| match piece {
        Ok(Delta::Reasoning(text)) => Some(text.as_str()),
        _ => None,
    });
    (text(pieces), thoughts.collect())
}

#[tokio::test]
async fn t17_a_key_that_a_model_says_is_blotted_out_however_it_is_cut() {
    let client = client();
    let whole = format!("It is {KEY}, is it?");
    let blotted = "It is sk-…, is it?".to_owned();
    let letters = || whole.chars().map(String::from).collect::<Vec<_>>();
    let halves = (0..=whole.len()).map(|cut| {
        let (one, other) = whole.split_at(cut);
        vec![one.to_owned(), other.to_owned()]
    });
    for pieces in halves.chain([letters()]) {
        // Answer and thoughts come in turn, and neither interrupts the key in the other.
        let frames = pieces.iter().flat_map(|piece| {
            let content = frame(&json!({"content": piece}));
            [frame(&json!({"reasoning_content": piece})), content]
        });
        let frames: Vec<_> = frames.chain([DONE.to_vec()]).collect();
        let double = Double::playing([stream(frames.iter().map(Vec::as_slice))]);
        let answer = ask(&client, request(&double.base_url)).await;
        assert_eq!(
            said(&answer),
            (blotted.clone(), blotted.clone()),
            "{pieces:?}"
        );
        assert!(matches!(answer.last(), Some(Ok(Delta::Finished(_)))));
    }
    let message = json!({"content": whole, "reasoning_content": whole});
    let body = json!({"choices": [{"message": message, "finish_reason": "stop"}], "model": KEY});
    let double = Double::playing([json_answer(&body.to_string())]);
    let answer = ask(&client, whole_request(&double.base_url)).await;
    assert_eq!(said(&answer), (blotted.clone(), blotted));
    assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
}

#[tokio::test]
async fn t17_a_key_that_is_cut_off_is_blotted_out_and_another_text_is_whole() {
    let broken = |text: &str| {
        let last = chunk(&frame(&json!({"content": text})));
        vec![stream_head(), chunk(HELLO), last, Act::Close]
    };
    for (said, shown) in [
        (&KEY[..KEY.len() - 1], "Hellosk-…"),
        (&KEY[..3], "Hellosk-"),
        ("sky", "Hellosky"),
    ] {
        let double = Double::playing([broken(said)]);
        let answer = ask(&client(), request(&double.base_url)).await;
        assert_eq!(text(&answer), shown);
        assert!(matches!(
            answer.last(),
            Some(Err(LlmError::Interrupted { .. }))
        ));
    }
}

#[tokio::test]
async fn t17_a_key_in_a_tool_call_is_blotted_out_however_it_is_written() {
    let escaped = KEY.replace('-', "\\u002d");
    for arguments in [
        format!(r#"{{"path":"{KEY}"}}"#),
        format!(r#"{{"path":["{escaped}"]}}"#),
        format!(r#"{{"{escaped}":1}}"#),
        format!(r#"{{"path":"{KEY}"#),
    ] {
        let call = json!({"index": 0, "id": KEY, "type": "function",
                          "function": {"name": KEY, "arguments": arguments}});
        let frames = [frame(&json!({"tool_calls": [call]})), DONE.to_vec()];
        let double = Double::playing([stream(frames.iter().map(Vec::as_slice))]);
        let answer = ask(&client(), request(&double.base_url)).await;
        let Some(Ok(Delta::ToolCall(call))) = answer.first() else {
            panic!("{answer:?}")
        };
        let shown = format!("{call:?}");
        assert!(!shown.contains("canary") && shown.contains('…'), "{shown}");
    }
}

#[tokio::test]
async fn t18_a_key_that_is_for_another_server_is_not_sent() {
    let double = Double::playing([]);
    let stolen = Credential::Key(key("https://api.test/v1"));
    let request = asking(model(provider(&double.base_url, stolen), "m"));
    let error = only_error(ask(&client(), request).await);
    assert!(matches!(error, LlmError::AddressRefused { .. }), "{error}");
    assert!(double.received().is_empty());
}

#[tokio::test]
async fn t19_a_refused_address_is_told_to_people_without_internals_and_to_operators_with_advice() {
    let client = LlmClient::new(Timers::default(), AddressRules::default()).unwrap();
    let double = Double::playing([]);
    let error = only_error(ask(&client, request(&double.base_url)).await);
    assert_eq!(error.code(), "provider_address_refused");
    assert!(!error.is_retryable());
    let told = error.to_string();
    assert!(
        !told.contains("127.0.0.1") && told.contains("`nexus models`"),
        "{told}"
    );
    let Reachability::Refused { reason } = client.probe(&keyed(&double.base_url)).await else {
        panic!("it may not be asked");
    };
    let site = double.base_url.replace("http://", "").replace("/v1", "");
    assert_eq!(
        reason,
        format!(
            "127.0.0.1 is this machine: to allow it, write `private_hosts: [\"{site}\"]` in \
             nexus.yml and start Nexus again"
        )
    );
    let named = keyed(&double.base_url.replace("127.0.0.1", "localhost"));
    assert!(matches!(
        client.probe(&named).await,
        Reachability::Refused { .. }
    ));
    assert!(double.received().is_empty());
}

#[tokio::test]
async fn t20_no_redirect_takes_a_request_or_a_key_elsewhere() {
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let elsewhere = Double::playing([stream([HELLO]), stream([HELLO])]);
        let location = format!("location: {}/chat/completions\r\n", elsewhere.base_url);
        let redirect = || with_headers(status, &location, "");
        let double = Double::playing([redirect(), redirect()]);
        let error = only_error(ask(&client(), request(&double.base_url)).await);
        assert!(
            error.to_string().contains("follows no redirects"),
            "{error}"
        );
        assert!(!error.to_string().contains(&elsewhere.base_url), "{error}");
        let probed = client().probe(&keyed(&double.base_url)).await;
        assert!(matches!(probed, Reachability::Silent { .. }), "{probed:?}");
        assert!(elsewhere.received().is_empty(), "{status}");
        assert_eq!(double.received().len(), 2);
    }
}
