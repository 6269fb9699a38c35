//! What every answer carries, and what no client can take.

use std::collections::HashSet;

use insta::assert_snapshot;
use nexus_server::routes;
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Call;
use crate::world::{ALICE, World};

#[tokio::test]
async fn every_answer_carries_the_same_protection_and_a_name_of_its_own() {
    let world = World::new(ScriptedModel::new([Turn::new().text("Hi.")])).await;
    let token = world.token(ALICE).await;
    let mut answers = Vec::new();
    for route in routes() {
        for path in [route.path, "/nothing"] {
            let call = Call::new(&route.method, path).header("x-request-id", "mine");
            answers.push(world.send(call.token(&token)).await);
        }
    }
    answers.push(world.chat(&token, json!({ "content": "Hello" })).await);

    let names = [
        "content-security-policy",
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "permissions-policy",
    ];
    let mut ids = HashSet::new();
    let mut protections = HashSet::new();
    for answer in &answers {
        protections.insert(
            names
                .map(|name| format!("{name}: {}", answer.header(name)))
                .join("\n"),
        );
        assert!(answer.header("x-request-id").starts_with("req_"));
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        ids.insert(answer.header("x-request-id"));
    }
    assert_eq!(ids.len(), answers.len());
    let protections: Vec<_> = protections.into_iter().collect();
    assert_snapshot!(protections.join("\n\n"), @"
    content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
    x-content-type-options: nosniff
    referrer-policy: no-referrer
    cross-origin-opener-policy: same-origin
    cross-origin-resource-policy: same-origin
    permissions-policy: camera=(), geolocation=(), microphone=()
    ");
}

#[tokio::test]
async fn t25_a_defect_says_nothing_but_the_name_of_its_request() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    world.store.panic();
    let mut client = world.client().await;
    let answer = client
        .send(Call::get("/api/v1/messages").token(&token))
        .await;
    assert!(answer.body.contains(answer.header("x-request-id")));
    assert_snapshot!(answer.shown(), @r#"500 {"error":{"code":"internal","message":"something went wrong inside Nexus: its log says more, under the id of this request","details":{"request_id":"req_…"}}}"#);
    assert_eq!(client.send(Call::get("/livez")).await.status, 200);
}

/// Sends bytes, and takes the answer up to the end of its head.
async fn raw(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    // The server may refuse before it has read everything.
    _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => answer.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_has_a_size() {
    let world = World::new(ScriptedModel::default()).await;
    let many = "x-header: value\r\n".repeat(200);
    let answer = raw(
        &world,
        format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let long = "x".repeat(80 * 1024);
    let answer = raw(
        &world,
        format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}").as_bytes(),
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(),
        "{answer}"
    );
    assert_eq!(world.send(Call::get("/livez")).await.status, 200);
}

#[tokio::test]
async fn what_is_not_http_is_no_reason_to_stop() {
    let world = World::new(ScriptedModel::default()).await;
    let answer = raw(
        &world,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls?\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(world.send(Call::get("/livez")).await.status, 200);
}
