//! T02: what is signed once is good for once.

use futures_util::future::join_all;
use nexus_store::IdentityStore as _;
use serde_json::json;

use crate::client::{Answer, Call};
use crate::world::{Setup, World, key};

/// How many succeed, and what the others are told.
fn count(answers: &[Answer]) -> (usize, Vec<String>) {
    let (succeeded, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    let mut refused: Vec<_> = refused.iter().map(|answer| answer.shown()).collect();
    refused.dedup();
    (succeeded.len(), refused)
}

async fn hundred(world: &World, call: &Call) -> (usize, Vec<String>) {
    count(&join_all((0..100).map(|_| world.send(call.clone()))).await)
}

#[tokio::test]
async fn t02_of_a_hundred_copies_of_a_sign_in_one_is_accepted() {
    let world = World::begin(Setup::default()).await;
    let (message, signature) = world.signed_challenge(&key(1)).await;
    let body = json!({ "message": message, "signature": signature }).to_string();
    let call = Call::post("/api/v1/auth/verify", body);
    let refused = r#"401 {"error":{"code":"sign_in_refused","message":"the sign-in was not accepted: ask for a new challenge and sign that one"}}"#;
    assert_eq!(hundred(&world, &call).await, (1, vec![refused.to_owned()]));
    let world = world.restart().await;
    assert_eq!(hundred(&world, &call).await, (0, vec![refused.to_owned()]));
    // It is not the time that refuses it: another one of the same moment is accepted.
    world.sign_in(&key(1)).await;
}

#[tokio::test]
async fn t02_of_a_hundred_copies_of_a_signed_command_one_is_executed() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let arguments = json!({ "field": "temperature", "value": 0.3 });
    let call = world.signed(&alice, Call::command("config.set", &arguments));
    let refused = r#"401 {"error":{"code":"signature_refused","message":"the signature of this request was used before: sign it again with another nonce","details":{"reason":"replayed"}}}"#;
    assert_eq!(hundred(&world, &call).await, (1, vec![refused.to_owned()]));
    world
        .execute(&alice, "config.unset", json!({ "field": "temperature" }))
        .await;

    let world = world.restart().await;
    assert_eq!(hundred(&world, &call).await, (0, vec![refused.to_owned()]));
    let identity = world.store.identity(alice.address()).await.unwrap();
    assert_eq!(identity.unwrap().overrides.temperature, None);
    let fresh = world.execute(&alice, "config.set", arguments).await;
    assert_eq!(fresh.status, 200, "{}", fresh.body);
}
