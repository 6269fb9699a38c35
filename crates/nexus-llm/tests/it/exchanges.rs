//! Replays the recorded exchanges: what is sent, and what is made of the answer.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nexus_core::Model;
use nexus_llm::{ChatMessage, ChatRequest, ToolCall, ToolSpec};
use serde_json::{Value, json};

use crate::double::{self, Act, Double};
use crate::support::{Pieces, ask, client, request, whole_request};

/// What is asked in each case; the answer is in its folder.
fn cases(base_url: &str) -> Vec<(&'static str, ChatRequest)> {
    let plain = || request(base_url);
    let whole = || whole_request(base_url);
    vec![
        (
            "openai-text",
            ChatRequest {
                temperature: Some(0.5),
                max_tokens: Some(64),
                ..guided(plain())
            },
        ),
        ("openai-tools", with_a_clock(plain())),
        ("openai-whole", guided(whole())),
        ("deepseek-reasoning", plain()),
        ("deepseek-whole", whole()),
        ("openrouter-text", plain()),
        ("openrouter-error", plain()),
        ("gemini-tools", with_a_clock(plain())),
        (
            "gemini-tools-second-round",
            after_a_tool(with_a_clock(plain())),
        ),
        (
            "ollama-text",
            ChatRequest {
                temperature: Some(0.0),
                ..guided(plain())
            },
        ),
        ("llama-cpp-text", guided(plain())),
    ]
}

fn guided(mut request: ChatRequest) -> ChatRequest {
    request
        .messages
        .insert(0, ChatMessage::System("You are Nova, a calm guide.".into()));
    request
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

fn after_a_tool(mut request: ChatRequest) -> ChatRequest {
    let Value::Object(extra) =
        json!({"extra_content": {"google": {"thought_signature": "c2lnbmF0dXJl"}}})
    else {
        unreachable!("it is an object");
    };
    let (id, name) = ("nexus_call_1".to_owned(), "clock".to_owned());
    let call = ToolCall {
        id: id.clone(),
        name: name.clone(),
        arguments: r#"{"city":"Oslo"}"#.into(),
        extra,
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

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/exchanges/openai")
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

#[tokio::test]
async fn recorded_exchanges_send_and_read_what_they_should() {
    let every_folder = fs::read_dir(folder("")).expect("the folder").count();
    assert_eq!(
        cases("http://localhost").len(),
        every_folder,
        "a folder has no case"
    );

    for (number, (case, _)) in cases("http://localhost").into_iter().enumerate() {
        let double = Double::start([recorded(case, usize::MAX)]).await;
        let (_, request) = cases(&double.base_url()).swap_remove(number);
        let pieces = ask(&client(), request).await;

        let sent = double.received().remove(0);
        let expected = fs::read(folder(case).join("request.json")).expect("a request");
        let expected: Value = serde_json::from_slice(&expected).expect("JSON");
        assert_eq!(sent.body, expected, "{case}");
        assert!(
            sent.head
                .starts_with("post /v1/chat/completions http/1.1\r\n"),
            "{}",
            sent.head
        );

        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(folder(case));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("expected", lines(&pieces)));
    }
}

#[tokio::test]
async fn recorded_exchanges_read_the_same_byte_by_byte() {
    for (number, (case, _)) in cases("http://localhost").into_iter().enumerate() {
        let double = Double::start([1, 7, usize::MAX].map(|size| recorded(case, size))).await;
        let client = client();
        let mut answers = Vec::new();
        for _ in 0..3 {
            let (_, request) = cases(&double.base_url()).swap_remove(number);
            answers.push(lines(&ask(&client, request).await));
        }
        assert_eq!(answers[0], answers[2], "{case}");
        assert_eq!(answers[1], answers[2], "{case}");
    }
}

#[tokio::test]
async fn a_stream_is_asked_for_only_where_the_model_streams() {
    let answer = r#"{"choices":[{"message":{"content":"Hello"}}]}"#;
    for streams in [true, false] {
        let double = Double::start([double::json(answer)]).await;
        let mut request = request(&double.base_url());
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
