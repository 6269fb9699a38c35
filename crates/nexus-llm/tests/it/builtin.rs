//! The `echo` model, as a newcomer meets it.

use std::sync::Arc;

use nexus_core::Model;
use nexus_core::catalog::{Endpoint, Provider, Timeouts};
use nexus_llm::{ChatMessage, ChatRequest, Delta, FinishReason, ToolSpec};

use crate::support::{ask, asking, client, model, text};

fn echo() -> ChatRequest {
    let provider = Arc::new(Provider {
        name: "builtin".into(),
        endpoint: Endpoint::Builtin,
        timeouts: Timeouts::default(),
    });
    asking(Model {
        name: "echo".into(),
        ..model(provider, "echo")
    })
}

#[tokio::test]
async fn it_says_that_it_is_a_mirror_and_shows_what_came() {
    let persona = "You are Nova, a calm guide.\nSpeak softly.\n\n---\n\nRules:\n- be kind\n- be brief\n- be right";
    let earlier = |text: &str| ChatMessage::Assistant {
        text: text.to_owned(),
        reasoning: String::new(),
        tool_calls: Vec::new(),
    };
    let tool = ToolSpec {
        name: "clock".to_owned(),
        description: "Tells the time.".to_owned(),
        parameters: serde_json::json!({}),
    };
    let request = ChatRequest {
        messages: vec![
            ChatMessage::System(persona.into()),
            ChatMessage::User("Hi".to_owned()),
            earlier("Hello!"),
            ChatMessage::User("Who are you?\nReally?".to_owned()),
        ],
        temperature: Some(0.7),
        max_tokens: Some(4096),
        tools: Arc::new([tool]),
        ..echo()
    };
    insta::assert_snapshot!(text(&ask(&client(), request).await));
}

#[tokio::test]
async fn it_shows_a_bare_request_plainly() {
    insta::assert_snapshot!(text(&ask(&client(), echo()).await));
}

#[tokio::test]
async fn it_streams_word_by_word_and_claims_no_tokens() {
    let pieces = ask(&client(), echo()).await;
    let (end, words) = pieces.split_last().expect("pieces");
    assert!(words.len() > 50);
    assert!(
        words
            .iter()
            .all(|word| matches!(word, Ok(Delta::Text(it)) if !it.is_empty()))
    );
    let Ok(Delta::Finished(finish)) = end else {
        panic!("{end:?}")
    };
    assert_eq!((&finish.reason, finish.usage), (&FinishReason::Stop, None));
    assert_eq!(finish.model_id.as_deref(), Some("echo"));
}

#[tokio::test]
async fn it_shortens_what_is_long() {
    let request = ChatRequest {
        messages: vec![
            ChatMessage::System("persona ".repeat(2000).into()),
            ChatMessage::User("question ".repeat(2000)),
        ],
        ..echo()
    };
    let answer = text(&ask(&client(), request).await);
    assert!(answer.len() < 2500, "{}", answer.len());
    assert!(answer.contains("16000 characters"));
}
