//! Replays the recorded exchanges: what is sent, and what is made of the answer.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nexus_core::Model;
use nexus_core::catalog::Protocol;
use nexus_llm::{ChatMessage, ChatRequest, Image, ToolCall, ToolSpec, UserPart};
use serde_json::{Value, json};

use crate::support::{Pieces, ask, client, request, request_in};
use nexus_test_support::provider::{self as double, Act, Provider as Double};

/// What is asked in each case, by its folder.
fn asked(case: &str, protocol: Protocol, base_url: &str) -> ChatRequest {
    let plain = request_in(protocol, base_url);
    match case {
        "openai/openai-text" => ChatRequest {
            temperature: Some(0.5),
            max_tokens: Some(64),
            ..guided(plain)
        },
        "openai/ollama-text" => ChatRequest {
            temperature: Some(0.0),
            ..guided(plain)
        },
        // More than the vendor takes.
        "anthropic/text" | "gemini/text" => ChatRequest {
            temperature: Some(2.5),
            max_tokens: Some(64),
            ..guided(plain)
        },
        "openai/openai-whole" => guided(in_one_piece(plain)),
        "openai/llama-cpp-text" => guided(plain),
        "openai/gemini-tools-second-round" => after_a_tool(
            with_a_clock(plain),
            &json!({"extra_content": {"google": {"thought_signature": "c2lnbmF0dXJl"}}}),
        ),
        "anthropic/tools-second-round" => {
            let thinking = json!({"type": "thinking", "thinking": "", "signature": "Eq9B"});
            let extra = json!({"anthropic_thinking": [thinking]});
            after_a_tool(with_a_clock(plain), &extra)
        }
        "gemini/tools-second-round" => after_a_tool(
            with_a_clock(plain),
            &json!({"thoughtSignature": "c2lnbmF0dXJl"}),
        ),
        "anthropic/whole-tools" => with_a_clock(in_one_piece(plain)),
        _ if case.contains("tools") || case.ends_with("call") => with_a_clock(plain),
        _ if case.ends_with("image") => with_images(plain),
        _ if folder(case).join("response.json").exists() => in_one_piece(plain),
        _ => plain,
    }
}

fn guided(mut request: ChatRequest) -> ChatRequest {
    request
        .messages
        .insert(0, ChatMessage::System("You are Nova, a calm guide.".into()));
    request
}

fn in_one_piece(mut request: ChatRequest) -> ChatRequest {
    Arc::get_mut(&mut request.model)
        .expect("the only one")
        .streams = false;
    request
}

fn with_images(request: ChatRequest) -> ChatRequest {
    let image = |address| UserPart::Image(Image::parse(address).expect("an image"));
    let parts = vec![
        UserPart::Text("What do these show?".to_owned()),
        image("https://example.com/a%20cat.png"),
        image("data:image/png;base64,iVBORw0KGgo="),
    ];
    ChatRequest {
        messages: vec![ChatMessage::UserParts(parts)],
        ..request
    }
}

fn with_a_clock(request: ChatRequest) -> ChatRequest {
    let clock = ToolSpec {
        name: "clock".to_owned(),
        description: "Tells the time.".to_owned(),
        parameters: json!({"type": "object", "properties": {"city": {"type": "string"}}}),
    };
    ChatRequest {
        tools: Arc::new([clock]),
        ..request
    }
}

fn after_a_tool(mut request: ChatRequest, extra: &Value) -> ChatRequest {
    let (id, name) = ("nexus_call_1".to_owned(), "clock".to_owned());
    let call = ToolCall {
        id: id.clone(),
        name: name.clone(),
        arguments: r#"{"city":"Oslo"}"#.into(),
        extra: extra.as_object().cloned().expect("an object"),
    };
    request.messages.push(ChatMessage::Assistant {
        text: String::new(),
        reasoning: "Which city?".to_owned(),
        tool_calls: vec![call],
    });
    let content = "12:00".to_owned();
    request.messages.push(ChatMessage::ToolResult {
        call_id: id,
        name,
        content,
    });
    request
}

/// The folders of one protocol, in order.
fn cases(protocol: &str) -> Vec<String> {
    let folders = fs::read_dir(folder(protocol)).expect("the folder");
    let names = folders.map(|it| it.expect("a folder").file_name().into_string());
    let mut cases: Vec<_> = names
        .map(|name| format!("{protocol}/{}", name.expect("text")))
        .collect();
    cases.sort();
    cases
}

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/exchanges")
        .join(case)
}

/// The answer of a case, in pieces of `size` bytes if it streams.
fn recorded(case: &str, size: usize) -> Vec<Act> {
    let read = |name| fs::read(folder(case).join(name));
    match read("response.sse") {
        Ok(stream) => double::stream(stream.chunks(size)),
        Err(_) => {
            let body = read("response.json").expect("a response");
            double::json(str::from_utf8(&body).expect("text"))
        }
    }
}

fn lines(pieces: &Pieces) -> String {
    pieces.iter().fold(String::new(), |mut lines, piece| {
        match piece {
            Ok(delta) => writeln!(lines, "{delta:?}"),
            Err(error) => writeln!(lines, "{}: {error}", error.code()),
        }
        .expect("writing to a string");
        lines
    })
}

async fn check_exchanges(protocol: Protocol, name: &str, path: &str, whole_path: &str) {
    for case in cases(name) {
        let double = Double::playing([recorded(&case, usize::MAX)]);
        let request = asked(&case, protocol, &double.base_url);
        let path = if request.model.streams {
            path
        } else {
            whole_path
        };
        let pieces = ask(&client(), request).await;

        let sent = double.received().remove(0);
        let expected = fs::read(folder(&case).join("request.json")).expect("a request");
        let expected: Value = serde_json::from_slice(&expected).expect("JSON");
        assert_eq!(sent.body, expected, "{case}");
        let first_line = format!("post /v1{path} http/1.1\r\n");
        assert!(sent.head.starts_with(&first_line), "{}", sent.head);

        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(folder(&case));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("expected", lines(&pieces)));
    }
}

#[tokio::test]
async fn exchanges_with_openai_send_and_read_what_they_should() {
    let path = "/chat/completions";
    check_exchanges(Protocol::OpenAi, "openai", path, path).await;
}

#[tokio::test]
async fn exchanges_with_anthropic_send_and_read_what_they_should() {
    check_exchanges(Protocol::Anthropic, "anthropic", "/messages", "/messages").await;
}

#[tokio::test]
async fn exchanges_with_gemini_send_and_read_what_they_should() {
    let stream = "/models/model-id:streamgeneratecontent?alt=sse";
    let whole = "/models/model-id:generatecontent";
    check_exchanges(Protocol::Gemini, "gemini", stream, whole).await;
}

#[tokio::test]
async fn recorded_exchanges_read_the_same_byte_by_byte() {
    for (protocol, name) in [
        (Protocol::OpenAi, "openai"),
        (Protocol::Anthropic, "anthropic"),
        (Protocol::Gemini, "gemini"),
    ] {
        for case in cases(name) {
            let double = Double::playing([1, 7, usize::MAX].map(|size| recorded(&case, size)));
            let client = client();
            let mut answers = Vec::new();
            for _ in 0..3 {
                let request = asked(&case, protocol, &double.base_url);
                answers.push(lines(&ask(&client, request).await));
            }
            assert_eq!(answers[0], answers[2], "{case}");
            assert_eq!(answers[1], answers[2], "{case}");
        }
    }
}

#[tokio::test]
async fn a_stream_is_asked_for_only_where_the_model_streams() {
    let answer = r#"{"choices":[{"message":{"content":"Hello"}}]}"#;
    for streams in [true, false] {
        let double = Double::playing([double::json(answer)]);
        let mut request = request(&double.base_url);
        let model = Arc::get_mut(&mut request.model).expect("the only one");
        *model = Model {
            streams,
            ..crate::support::model(model.provider.clone(), "m")
        };
        // A whole answer is read as one, whatever was asked for.
        assert_eq!(
            crate::support::text(&ask(&client(), request).await),
            "Hello"
        );
        let body = double.received().remove(0).body;
        assert_eq!(body["stream"], json!(streams));
        assert_eq!(body.get("stream_options").is_some(), streams);
    }
}
