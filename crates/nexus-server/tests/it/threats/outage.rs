//! T40: without a store nobody gets in, and nothing is guessed.

use nexus_core::Clock as _;
use nexus_server::Access;
use serde_json::json;

use super::guarded;
use crate::client::{Answer, Call};
use crate::world::{Setup, World, key};

fn check(answer: &Answer, what: &str) {
    assert_eq!(answer.code(), "503 store_unavailable", "{what}");
    assert_eq!(answer.header("retry-after"), "1", "{what}");
    assert!(!answer.body.contains("sda1"), "{}", answer.body);
}

#[tokio::test]
async fn t40_no_store_is_never_a_yes() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let api_key = world.api_key(&alice, json!({ "name": "k" })).await;
    let (message, signature) = world.signed_challenge(&alice.key).await;
    let sign_in = json!({ "message": message, "signature": signature }).to_string();
    let sign_in = Call::post("/api/v1/auth/verify", sign_in);
    let arguments = json!({ "field": "temperature", "value": 0.3 });
    let command = world.signed(&alice, Call::command("config.set", &arguments));
    let session = Call::get("/api/v1/auth/session").token(&alice.token);
    assert_eq!(world.send(session).await.status, 200);

    world.store.stop();
    for place in guarded() {
        check(&world.send(place.call().token(&api_key)).await, place.route);
        let unknown = nexus_core::Token::generate(nexus_core::TokenKind::Session).unwrap();
        let call = place.call().token(unknown.reveal());
        check(&world.send(call).await, place.route);
        // Somebody who is remembered may still read what is remembered. Nothing can be changed.
        if place.is_unsafe() && place.access != Access::Admin {
            let body = match place.route {
                "/v1/chat/completions" => r#"{"messages":[{"role":"user","content":"Hi"}]}"#,
                "/v1/responses" => r#"{"input":"Hi"}"#,
                "/api/v1/runs/{run_id}/cancel" => "{}",
                _ => r#"{"content":"Hi"}"#,
            };
            let call = place.call_with(body).token(&alice.token);
            let signed = call.signed(&alice.key, world.clock.now());
            check(&world.send(signed).await, place.route);
        }
    }
    check(&world.send(sign_in).await, "sign-in");
    check(&world.send(command).await, "command");
}

#[tokio::test]
async fn t40_a_server_that_begins_without_a_store_hands_out_no_challenge() {
    let world = World::begin(Setup::default()).await;
    world.store.stop();
    let challenge = Call::post("/api/v1/auth/challenge", "");
    check(&world.send(challenge.clone()).await, "challenge");
    world.store.start();
    assert_eq!(world.send(challenge).await.status, 200);
    world.sign_in(&key(1)).await;
}
