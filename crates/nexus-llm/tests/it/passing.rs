//! What a program of OpenAI's protocol asks reaches a provider of it unchanged, and what comes back
//! passes as it came.

use std::sync::Arc;

use nexus_core::catalog::Protocol;
use nexus_llm::{ChatMessage, ChatRequest, ClientForm, Delivery, Delta, FinishReason};
use serde_json::{Value, json};

use crate::support::{KEY, Pieces, ask, client, request_in};
use nexus_test_support::provider::{Provider as Double, json as whole, stream};

/// A request of a program with these fields.
fn of_program(
    protocol: Protocol,
    base_url: &str,
    fields: Value,
    delivery: Delivery,
) -> ChatRequest {
    let Value::Object(fields) = fields else {
        unreachable!("an object was written")
    };
    let form = ClientForm::read(fields).expect("a form");
    let Value::Object(message) = json!({ "role": "user", "content": "Hi", "name": "ann" }) else {
        unreachable!("an object was written")
    };
    let mut request = request_in(protocol, base_url);
    request.messages = vec![
        ChatMessage::System("Be kind.".into()),
        ChatMessage::client(message, ChatMessage::User("Hi".to_owned())),
    ];
    request.tools = Arc::clone(&form.tools);
    request.client = Some(Arc::new(ClientForm {
        delivery,
        hears_frames: true,
        ..form
    }));
    request.is_for_client_only = true;
    request
}

const STREAM: Delivery = Delivery::Stream { with_usage: false };

fn frame(index: u32, text: &str, end: Option<&str>) -> String {
    let delta = if text.is_empty() {
        json!({})
    } else {
        json!({ "content": text })
    };
    json!({ "choices": [{ "index": index, "delta": delta, "finish_reason": end }], "odd": 1.50 })
        .to_string()
}

const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;

async fn streamed(frames: &[&str], fields: Value, delivery: Delivery) -> Pieces {
    let events: Vec<_> = frames.iter().map(|it| format!("data: {it}\n\n")).collect();
    let events = events.iter().map(String::as_bytes);
    let double = Double::playing([stream(events.chain([&b"data: [DONE]\n\n"[..]]))]);
    let base_url = double.base_url.clone();
    ask(
        &client(),
        of_program(Protocol::OpenAi, &base_url, fields, delivery),
    )
    .await
}

fn verbatim(pieces: &Pieces) -> Vec<&str> {
    let frames = pieces.iter().filter_map(|piece| match piece {
        Ok(Delta::Verbatim(frame)) => Some(frame.as_str()),
        _ => None,
    });
    frames.collect()
}

fn text(pieces: &Pieces) -> String {
    crate::support::text(pieces)
}

#[tokio::test]
async fn fields_and_messages_reach_the_provider_unchanged() {
    let fields = json!({
        "seed": 7,
        "logit_bias": { "50256": -100 },
        "response_format": { "type": "json_schema", "json_schema": { "name": "x", "strict": true } },
        "tools": [{ "type": "function", "function": { "name": "clock", "strict": true } }],
        "tool_choice": "required",
        "reasoning_effort": "low",
    });
    let double = Double::playing([whole(r#"{"choices":[{"message":{"content":"Hi"}}]}"#)]);
    let base_url = double.base_url.clone();
    let request = of_program(Protocol::OpenAi, &base_url, fields.clone(), Delivery::Whole);
    ask(&client(), request).await;
    let mut body = double.received()[0].body.clone();
    let sent = body.as_object_mut().unwrap();
    assert_eq!(sent.remove("model").unwrap(), "model-id");
    assert_eq!(sent.remove("stream").unwrap(), false);
    let messages = json!([
        { "role": "system", "content": "Be kind." },
        { "role": "user", "content": "Hi", "name": "ann" },
    ]);
    assert_eq!(sent.remove("messages").unwrap(), messages);
    assert_eq!(body, fields);
}

#[tokio::test]
async fn other_protocols_are_told_in_their_own_words() {
    let fields = json!({
        "stop": "END",
        "top_p": 0.5,
        "tools": [{ "type": "function", "function": { "name": "clock", "description": "Tells." } }],
        "tool_choice": { "type": "function", "function": { "name": "clock" } },
        "parallel_tool_calls": false,
    });
    let sent = async |protocol| {
        let double = Double::playing([whole("{}")]);
        let base_url = double.base_url.clone();
        let request = of_program(protocol, &base_url, fields.clone(), Delivery::Whole);
        ask(&client(), request).await;
        double.received()[0].body.clone()
    };
    let anthropic = sent(Protocol::Anthropic).await;
    assert_eq!(anthropic["stop_sequences"], json!(["END"]));
    assert_eq!(anthropic["top_p"], 0.5);
    assert_eq!(anthropic["tools"][0]["name"], "clock");
    let choice = json!({ "type": "tool", "name": "clock", "disable_parallel_tool_use": true });
    assert_eq!(anthropic["tool_choice"], choice);
    assert_eq!(anthropic["messages"][0]["content"][0]["text"], "Hi");

    let gemini = sent(Protocol::Gemini).await;
    assert_eq!(gemini["generationConfig"]["stopSequences"], json!(["END"]));
    assert_eq!(gemini["generationConfig"]["topP"], 0.5);
    let choice =
        json!({ "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["clock"] } });
    assert_eq!(gemini["toolConfig"], choice);
}

#[tokio::test]
async fn frames_pass_and_the_usage_only_where_it_was_asked_for() {
    let role = r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}]}"#;
    let (hel, lo) = (frame(0, "Hel", None), frame(0, "lo", Some("stop")));
    let frames = [role, &hel, &lo, USAGE];
    let pieces = streamed(&frames, json!({}), STREAM).await;
    assert_eq!(verbatim(&pieces), frames[..3]);
    // The frame without a word waits for the first one that has some.
    let first = [&pieces[0], &pieces[1], &pieces[2]];
    assert!(
        matches!(
            first,
            [
                Ok(Delta::Verbatim(_)),
                Ok(Delta::Verbatim(_)),
                Ok(Delta::Text(_))
            ]
        ),
        "{first:?}"
    );
    assert_eq!(text(&pieces), "Hello");
    let Some(Ok(Delta::Finished(finish))) = pieces.last() else {
        panic!("{pieces:?}")
    };
    assert_eq!(finish.reason, FinishReason::Stop);
    assert_eq!(finish.usage.unwrap().output_tokens, 2);

    let with_usage = Delivery::Stream { with_usage: true };
    assert_eq!(
        verbatim(&streamed(&frames, json!({}), with_usage).await),
        frames
    );
}

#[tokio::test]
async fn of_several_answers_the_first_one_is_the_answer_and_all_of_them_pass() {
    let frames = [
        frame(0, "one", None),
        frame(1, "two", None),
        frame(0, "", Some("stop")),
        frame(1, "more", None),
        frame(1, "", Some("length")),
    ];
    let frames = frames.each_ref().map(String::as_str);
    let pieces = streamed(&frames, json!({ "n": 2 }), STREAM).await;
    assert_eq!(verbatim(&pieces), frames);
    assert_eq!(text(&pieces), "one");
}

#[tokio::test]
async fn a_key_in_a_frame_is_blotted_out() {
    let pieces = streamed(&[&frame(0, KEY, Some("stop"))], json!({}), STREAM).await;
    assert!(!verbatim(&pieces)[0].contains(KEY));
}

#[tokio::test]
async fn a_whole_answer_passes_as_it_came() {
    let body =
        r#"{"choices":[{"message":{"content":"Hi"},"logprobs":{"content":[1.50]}}],"odd":[]}"#;
    let double = Double::playing([whole(body)]);
    let base_url = double.base_url.clone();
    let request = of_program(Protocol::OpenAi, &base_url, json!({}), Delivery::Whole);
    let pieces = ask(&client(), request).await;
    assert_eq!(verbatim(&pieces), [body]);
    assert_eq!(text(&pieces), "Hi");
}

#[tokio::test]
async fn an_answer_that_comes_in_another_way_than_wanted_does_not_pass() {
    let body = r#"{"choices":[{"message":{"content":"Hi"}}]}"#;
    let double = Double::playing([whole(body)]);
    let mut request = of_program(Protocol::OpenAi, &double.base_url, json!({}), STREAM);
    Arc::get_mut(&mut request.model).unwrap().streams = false;
    let pieces = ask(&client(), request).await;
    assert!(verbatim(&pieces).is_empty());
    assert_eq!(text(&pieces), "Hi");
}

#[tokio::test]
async fn an_error_in_a_frame_is_no_frame() {
    let frames = [
        frame(0, "Hel", None),
        r#"{"error":{"message":"Oh"}}"#.to_owned(),
    ];
    let pieces = streamed(&frames.each_ref().map(String::as_str), json!({}), STREAM).await;
    assert_eq!(verbatim(&pieces), [&*frames[0]]);
    assert!(pieces.last().unwrap().is_err());
}
