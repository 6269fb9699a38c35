//! The model and the provider that the tests of all crates use.

use std::sync::Arc;

use futures_util::StreamExt;
use nexus_core::Model;
use nexus_core::catalog::{Credential, Endpoint, Protocol, Provider, Timeouts};
use nexus_core::event::Usage;
use nexus_llm::{ChatRequest, Delta, Finish, FinishReason, LanguageModel, LlmError};
use nexus_test_support::model::{Gate, ScriptedModel, Turn};
use nexus_test_support::provider::{self, Answer};
use serde_json::json;

use crate::support::{Pieces, ask, asking, client, model, only_error, speaking, text};

fn request() -> ChatRequest {
    let provider = Arc::new(Provider {
        name: "builtin".into(),
        endpoint: Endpoint::Builtin,
        timeouts: Timeouts::default(),
    });
    asking(model(provider, "m"))
}

fn reason(piece: Option<&Result<Delta, LlmError>>) -> Option<FinishReason> {
    match piece {
        Some(Ok(Delta::Finished(Finish { reason, .. }))) => Some(reason.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn turns_are_played_in_order_and_requests_are_kept() {
    let usage = Usage {
        input_tokens: 3,
        output_tokens: 1,
        ..Usage::default()
    };
    let model = ScriptedModel::new([
        Turn::new()
            .text("Let me look. ")
            .tool_call("call_1", "clock", "{}"),
        Turn::new().text("It is ").text("noon.").usage(usage),
    ]);
    let first = ask(&model, request()).await;
    assert_eq!(reason(first.last()), Some(FinishReason::ToolCalls));
    let second = ask(&model, request()).await;
    assert_eq!(text(&second), "It is noon.");
    assert_eq!(reason(second.last()), Some(FinishReason::Stop));
    assert_eq!(model.requests().len(), 2);
    assert_eq!(model.abandoned(), 0);

    let error = only_error(ask(&model, request()).await);
    assert!(
        error
            .to_string()
            .contains("the script has no turn for request 3"),
        "{error}"
    );
}

#[tokio::test]
async fn a_plain_list_of_pieces_is_a_turn() {
    let error = LlmError::TimedOut {
        provider: "acme".into(),
        waited: std::time::Duration::ZERO,
    };
    let model = ScriptedModel::new([vec![Ok(Delta::Text("Hi".into())), Err(error)]]);
    let pieces = ask(&model, request()).await;
    assert!(matches!(
        pieces[..],
        [Ok(Delta::Text(_)), Err(LlmError::TimedOut { .. })]
    ));
}

#[tokio::test]
async fn a_gate_holds_a_turn_until_it_is_opened() {
    let gate = Gate::new();
    let model = ScriptedModel::new([Turn::new().text("one ").wait(&gate).text("two")]);
    let mut pieces = model.stream(Arc::new(request()));
    assert!(pieces.next().await.is_some());
    assert!(futures_util::poll!(pieces.next()).is_pending());
    gate.reached().await;
    gate.open();
    assert_eq!(
        pieces.next().await.unwrap().unwrap(),
        Delta::Text("two".into())
    );
}

#[tokio::test]
async fn a_dropped_answer_is_counted() {
    let model = ScriptedModel::new([Turn::new().text("one").text("two")]);
    let mut pieces = model.stream(Arc::new(request()));
    pieces.next().await;
    assert_eq!(model.abandoned(), 0);
    drop(pieces);
    assert_eq!(model.abandoned(), 1);
}

fn says(pieces: &Pieces) -> String {
    let thoughts = pieces.iter().filter_map(|piece| match piece {
        Ok(Delta::Reasoning(text)) => Some(text.as_str()),
        _ => None,
    });
    format!("{} {}", thoughts.collect::<String>(), text(pieces))
}

#[tokio::test]
async fn the_provider_gives_an_answer_in_every_protocol() {
    let double = provider::Provider::start(|request| {
        let mut answer = Answer::in_words("It is noon.").usage(3, 1);
        answer.reasoning = "Hm.".to_owned();
        if request.number % 2 == 1 {
            answer = Answer::calls([("call_1", "clock", json!({"zone": "UTC"}))]);
        }
        request.answer(&answer)
    });
    for protocol in [Protocol::OpenAi, Protocol::Anthropic, Protocol::Gemini] {
        for streams in [true, false] {
            let there = speaking(protocol, &double.base_url, Credential::NotNeeded);
            let request = asking(Model {
                streams,
                reasons: true,
                ..model(there, "m")
            });
            let pieces = ask(&client(), request.clone()).await;
            assert_eq!(says(&pieces), "Hm. It is noon.", "{protocol:?} {pieces:?}");
            let Some(Ok(Delta::Finished(Finish { usage, .. }))) = pieces.last() else {
                panic!("{pieces:?}")
            };
            let usage = usage.unwrap();
            assert_eq!((usage.input_tokens, usage.output_tokens), (3, 1));
            let pieces = ask(&client(), request).await;
            assert_eq!(reason(pieces.last()), Some(FinishReason::ToolCalls));
            let call = pieces.iter().find_map(|piece| match piece {
                Ok(Delta::ToolCall(call)) => Some((&*call.name, &*call.arguments)),
                _ => None,
            });
            assert_eq!(call, Some(("clock", r#"{"zone":"UTC"}"#)), "{pieces:?}");
        }
    }
}
