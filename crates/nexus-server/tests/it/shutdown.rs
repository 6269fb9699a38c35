//! A shutdown lets people finish, but not for ever, and loses no answer.

use http_body_util::BodyExt as _;
use nexus_test_support::model::{Gate, ScriptedModel, Turn};
use serde_json::json;
use tokio::net::TcpStream;

use crate::client::Call;
use crate::world::{ALICE, World};

#[tokio::test]
async fn a_server_stops_with_idle_connections_open() {
    let mut world = World::new(ScriptedModel::default()).await;
    let mut client = world.client().await;
    assert_eq!(client.send(Call::get("/livez")).await.status, 200);
    let _silent = TcpStream::connect(world.address).await.unwrap();
    world.shutdown.cancel();
    world.stopped().await;
    assert!(TcpStream::connect(world.address).await.is_err());
}

#[tokio::test]
async fn an_open_stream_gets_its_end_and_its_answer_is_stored() {
    let gate = Gate::new();
    let turn = Turn::new().text("This takes ").wait(&gate).text("a while.");
    let mut world = World::new(ScriptedModel::new([turn])).await;
    let token = world.token(ALICE).await;
    let mut client = world.client().await;
    let call = Call::post("/api/v1/chat", json!({ "content": "Tell me" }).to_string());
    let body = client.open(call.token(&token)).await.into_body();
    gate.reached().await;

    world.shutdown.cancel();
    let body = body.collect().await.unwrap().to_bytes();
    assert!(
        body.ends_with(b": the server is shutting down\n\n"),
        "{body:?}"
    );
    world.stopped().await;

    gate.open();
    world.settle().await;
    let last = world.stored(ALICE).await.pop();
    assert_eq!(last, Some(("ai", "This takes a while.".to_owned())));
}
