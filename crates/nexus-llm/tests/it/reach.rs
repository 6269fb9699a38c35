//! Which providers can be asked, and what `auto` stands for.

use std::sync::Arc;

use nexus_core::catalog::{Credential, Endpoint, Provider, Timeouts};
use nexus_llm::{LlmError, Reachability};

use crate::support::{KEY, ask, asking, client, keyed, model, only_error, provider, text};
use nexus_test_support::provider::{Act, Provider as Double, answer, json, stream};

const HELLO: &[u8] =
    b"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: [DONE]\n\n";
const MODELS: &str =
    r#"{"object":"list","data":[{"id":"llama3.2","object":"model"},{"id":"qwen3"}]}"#;

fn open(double: &Double) -> Arc<Provider> {
    provider(&double.base_url, Credential::NotNeeded)
}

#[tokio::test]
async fn a_server_that_lists_models_is_ready() {
    let ollama = r#"{"models":[{"name":"llama3.2"},{"name":"qwen3"}]}"#;
    let plain = r#"["llama3.2","qwen3"]"#;
    for list in [MODELS, ollama, plain] {
        let double = Double::playing([json(list)]);
        let models = vec!["llama3.2".to_owned(), "qwen3".to_owned()];
        assert_eq!(
            client().probe(&open(&double)).await,
            Reachability::Ready { models }
        );
        assert!(
            double.received()[0]
                .head
                .starts_with("get /v1/models http/1.1\r\n")
        );
    }
}

#[tokio::test]
async fn a_hosted_provider_may_keep_its_list_to_itself() {
    let not_found = || answer("404 Not Found", "application/json", "{}");
    let double = Double::playing([not_found(), not_found()]);
    let ready = Reachability::Ready { models: Vec::new() };
    assert_eq!(client().probe(&keyed(&double.base_url)).await, ready);
    // Without a key, anything may be listening at that address.
    assert!(matches!(
        client().probe(&open(&double)).await,
        Reachability::Silent { .. }
    ));
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_says_why() {
    let double = Double::playing([
        answer("401 Unauthorized", "application/json", "{}"),
        answer("200 OK", "text/html", "<html>"),
        vec![Act::Hold],
    ]);
    let probe = async || match client().probe(&keyed(&double.base_url)).await {
        Reachability::Silent { reason } => reason,
        other => panic!("{other:?}"),
    };
    assert!(probe().await.contains("refused its key"));
    assert!(probe().await.contains("does not list its models"));
    assert_eq!(probe().await, "no answer within 800ms");
}

#[tokio::test]
async fn a_probe_asks_nobody_when_that_is_pointless() {
    let double = Double::playing([]);
    let variable = "ACME_KEY".to_owned();
    let missing = Credential::Missing {
        variable: variable.clone(),
    };
    let without_key = client().probe(&provider(&double.base_url, missing)).await;
    assert_eq!(without_key, Reachability::MissingKey { variable });
    let builtin = Provider {
        name: "builtin".into(),
        endpoint: Endpoint::Builtin,
        timeouts: Timeouts::default(),
    };
    assert_eq!(client().probe(&builtin).await, Reachability::Builtin);
    assert!(double.received().is_empty());
}

#[tokio::test]
async fn auto_is_the_first_listed_model_and_is_remembered() {
    let double = Double::playing([json(MODELS), stream([HELLO]), stream([HELLO])]);
    let client = client();
    for _ in 0..2 {
        assert_eq!(
            text(&ask(&client, asking(model(open(&double), "auto"))).await),
            "Hello"
        );
    }
    let received = double.received();
    assert_eq!(received.len(), 3, "the list is asked for once");
    assert_eq!(received[1].body["model"], "llama3.2");
    assert_eq!(received[2].body["model"], "llama3.2");
}

#[tokio::test]
async fn auto_is_asked_again_after_the_model_is_gone() {
    let double = Double::playing([
        json(MODELS),
        answer(
            "404 Not Found",
            "application/json",
            r#"{"error":"no such model"}"#,
        ),
        json(r#"{"data":[{"id":"qwen3"}]}"#),
        stream([HELLO]),
    ]);
    let client = client();
    let error = only_error(ask(&client, asking(model(open(&double), "auto"))).await);
    assert!(
        matches!(error, LlmError::Rejected { status: 404, .. }),
        "{error}"
    );
    assert_eq!(
        text(&ask(&client, asking(model(open(&double), "auto"))).await),
        "Hello"
    );
    assert_eq!(double.received()[3].body["model"], "qwen3");
}

#[tokio::test]
async fn auto_without_any_model_says_what_to_do() {
    let double = Double::playing([json(r#"{"data":[]}"#)]);
    let error = only_error(ask(&client(), asking(model(open(&double), "auto"))).await);
    assert!(
        error
            .to_string()
            .contains("load one, or name one in the catalog"),
        "{error}"
    );
}

#[tokio::test]
async fn a_failing_list_does_not_show_the_key() {
    let body = format!(r#"{{"error":{{"message":"bad key {KEY}"}}}}"#);
    let double = Double::playing([answer("500 Oh", "application/json", &body)]);
    let Reachability::Silent { reason } = client().probe(&keyed(&double.base_url)).await else {
        panic!("it cannot be ready");
    };
    assert!(!reason.contains(KEY), "{reason}");
}
