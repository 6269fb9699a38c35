//! Connections: used again, sent over once more when stale, closed when nobody listens.

use std::sync::Arc;

use futures_util::StreamExt;
use nexus_core::catalog::Credential;
use nexus_llm::{Delta, LanguageModel, LlmError};

use crate::support::{KEY, ask, asking, client, keyed, model, only_error, provider, request, text};
use nexus_test_support::provider::{
    Act, Provider as Double, chunk, stream, stream_end, stream_head,
};

const HELLO: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const DONE: &[u8] = b"data: [DONE]\n\n";

#[tokio::test]
async fn one_connection_serves_one_turn_after_the_other() {
    // The end of the body comes later than the last event, as real servers send it.
    let answer = || vec![stream_head(), chunk(HELLO), chunk(DONE), stream_end()];
    let double = Double::playing([answer(), answer(), answer()]);
    let client = client();
    for _ in 0..3 {
        assert_eq!(
            text(&ask(&client, request(&double.base_url)).await),
            "Hello"
        );
    }
    let connections: Vec<_> = double.received().iter().map(|it| it.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[tokio::test]
async fn a_stale_connection_costs_one_more_attempt_and_no_error() {
    for end in [Act::Close, Act::Reset] {
        let answer = || stream([HELLO, DONE]);
        let double = Double::playing([answer(), vec![end], answer()]);
        let client = client();
        for _ in 0..2 {
            assert_eq!(
                text(&ask(&client, request(&double.base_url)).await),
                "Hello"
            );
        }
        let connections: Vec<_> = double.received().iter().map(|it| it.connection).collect();
        assert_eq!(connections, [0, 0, 1]);
    }
}

#[tokio::test]
async fn a_request_is_not_repeated_on_a_new_connection() {
    let double = Double::playing([vec![Act::Close], stream([HELLO, DONE])]);
    let error = only_error(ask(&client(), request(&double.base_url)).await);
    assert!(matches!(error, LlmError::Unreachable { .. }), "{error}");
    assert_eq!(double.received().len(), 1);
}

#[tokio::test]
async fn a_request_is_not_repeated_after_a_byte_of_an_answer() {
    let double = Double::playing([
        stream([HELLO, DONE]),
        vec![stream_head(), Act::Reset],
        stream([HELLO, DONE]),
    ]);
    let client = client();
    ask(&client, request(&double.base_url)).await;
    let error = only_error(ask(&client, request(&double.base_url)).await);
    assert!(matches!(error, LlmError::Unreachable { .. }), "{error}");
    assert_eq!(double.received().len(), 2);
}

#[tokio::test]
async fn dropping_the_stream_cancels_the_request() {
    let double = Double::playing([vec![stream_head(), chunk(HELLO), Act::Hold]]);
    let mut pieces = client().stream(Arc::new(request(&double.base_url)));
    assert_eq!(
        pieces.next().await.unwrap().unwrap(),
        Delta::Text("Hello".to_owned())
    );
    drop(pieces);
    double.client_left().await;

    let double = Double::playing([vec![Act::Hold]]);
    let client = client();
    let mut pieces = client.stream(Arc::new(request(&double.base_url)));
    while double.received().is_empty() {
        assert!(futures_util::poll!(pieces.next()).is_pending());
        tokio::task::yield_now().await;
    }
    drop(pieces);
    double.client_left().await;
}

#[tokio::test]
async fn pieces_are_handed_out_as_they_arrive() {
    let double = Double::playing([vec![stream_head(), chunk(HELLO), Act::Hold]]);
    let mut pieces = client().stream(Arc::new(request(&double.base_url)));
    let first = pieces.next().await.unwrap().unwrap();
    assert_eq!(
        first,
        Delta::Text("Hello".to_owned()),
        "before the answer is over"
    );
}

#[tokio::test]
async fn the_key_is_sent_as_a_bearer_and_only_where_there_is_one() {
    let double = Double::playing([stream([HELLO, DONE]), stream([HELLO, DONE])]);
    let client = client();
    ask(&client, asking(model(keyed(&double.base_url), "m"))).await;
    let open = provider(&double.base_url, Credential::NotNeeded);
    ask(&client, asking(model(open, "m"))).await;
    let [with, without] = &double.received()[..] else {
        panic!("two requests were expected")
    };
    assert!(
        with.head
            .contains(&format!("authorization: bearer {KEY}\r\n")),
        "{}",
        with.head
    );
    assert!(!without.head.contains("authorization"), "{}", without.head);
}

#[tokio::test]
async fn a_key_that_is_not_set_is_named_and_nothing_is_sent() {
    let double = Double::playing([]);
    let missing = Credential::Missing {
        variable: "ACME_KEY".to_owned(),
    };
    let request = asking(model(provider(&double.base_url, missing), "m"));
    let error = only_error(ask(&client(), request).await);
    let expected = "provider acme has no key: set ACME_KEY and start Nexus again";
    assert_eq!(error.to_string(), expected);
    assert!(double.received().is_empty());
}
