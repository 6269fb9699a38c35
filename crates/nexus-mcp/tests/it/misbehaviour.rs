//! A server that lies, dies, grows or says nothing. It hurts nobody but itself.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;

use nexus_test_support::mcp::{World, stdio};

async fn call(behaviour: &str) -> Result<String, String> {
    let world = World::new(behaviour);
    let session = world.session(&stdio("odd")).await;
    let said = session.call("first", Map::new()).await;
    world.close().await;
    said
}

#[tokio::test]
async fn what_is_no_result_is_an_error() {
    let lie = call("lies").await.unwrap_err();
    assert!(!lie.contains("perhaps"), "{lie}");
}

#[tokio::test]
async fn noise_between_messages_is_passed_over() {
    assert_eq!(call("garbage").await, Ok("done".to_owned()));
}

#[tokio::test]
async fn a_megabyte_arrives_whole() {
    assert_eq!(call("big").await.map(|text| text.len()), Ok(1_000_000));
}

#[tokio::test]
async fn what_a_server_asks_of_us_is_refused() {
    assert_eq!(call("asks").await, Ok("refused".to_owned()));
}

#[tokio::test]
async fn a_program_that_dies_in_a_call_is_started_again() {
    let world = World::new("dies");
    let server = stdio("odd");
    let session = world.session(&server).await;
    let broken = session.call("first", Map::new()).await;
    assert_eq!(broken, Err("the connection to the tool broke".to_owned()));
    let again = world.another_session(&server, &session).await;
    assert_eq!(again.tools().len(), 1);
    world.close().await;
}

#[tokio::test]
async fn tools_that_a_server_adds_are_seen() {
    let world = World::new("grows");
    let server = stdio("odd");
    let session = world.session(&server).await;
    session.call("first", Map::new()).await.unwrap();
    let again = world.another_session(&server, &session).await;
    let names: Vec<_> = again.tools().iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["first", "second"]);
    // Whoever had the old list can go on with it.
    assert!(session.call("first", Map::new()).await.is_ok());
    world.close().await;
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_the_connection_usable() {
    let world = World::new("mute");
    let server = stdio("odd");
    let session = world.session(&server).await;
    let waited = tokio::time::timeout(Duration::from_millis(50), session.call("first", Map::new()));
    assert!(waited.await.is_err());
    assert!(Arc::ptr_eq(&session, &world.session(&server).await));
    world.close().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_and_then_nobody_waits_for_it() {
    let world = World::new("silent");
    let server = stdio("odd");
    // The process starts, and only then time is ours.
    tokio::time::pause();
    let down = world.client.session(&server).await.unwrap_err();
    assert_eq!(down.to_string(), "no answer within 10 seconds");
    let before = tokio::time::Instant::now();
    world.client.session(&server).await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::ZERO);
    tokio::time::resume();
    world.close().await;
}
