//! T23, T26: limits, to the byte, and streams that text cannot break.

use insta::assert_snapshot;
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Call;
use crate::world::{HOST, Setup, World};

const KIB: usize = 1024;

#[tokio::test]
async fn t23_a_request_that_changes_something_has_64_kib_and_not_one_more() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let sized = |length: usize| {
        let body = json!({ "command": "ping" }).to_string();
        let spaces = " ".repeat(length - body.len());
        Call::post("/api/v1/commands/execute", body + &spaces)
    };
    let fits = world.send_signed(&alice, sized(64 * KIB)).await;
    assert_eq!(fits.status, 200, "{}", fits.body);
    let too_long = world.send_signed(&alice, sized(64 * KIB + 1)).await;
    assert_snapshot!(too_long.shown(), @r#"413 {"error":{"code":"body_too_large","message":"the body is longer than 65536 bytes: send less at a time","details":{"limit":65536}}}"#);
    let far_too_long = world.send_signed(&alice, sized(300 * KIB)).await;
    assert_eq!(far_too_long.shown(), too_long.shown());
}

#[tokio::test]
async fn t23_a_prompt_has_32_kib_and_not_one_more() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    // In bytes, not in characters.
    for text in ["x".repeat(32 * KIB), "é".repeat(16 * KIB)] {
        let set = |content: &str| json!({ "name": "persona", "content": content });
        let fits = world.execute(&alice, "prompt.set", set(&text)).await;
        assert_eq!(fits.status, 200);
        let too_long = world
            .execute(&alice, "prompt.set", set(&format!("{text}x")))
            .await;
        assert_eq!(too_long.code(), "422 wrong_type", "{}", too_long.body);
    }
}

#[tokio::test]
async fn t23_json_is_127_deep_and_not_one_more() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    // The body and its `arguments` are two of them.
    let deep = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 2), "]".repeat(depth - 2));
        let body = format!(r#"{{"command":"help","arguments":{{"command":{open}{close}}}}}"#);
        Call::post("/api/v1/commands/execute", body).token(&alice.token)
    };
    assert_eq!(world.send(deep(127)).await.code(), "422 wrong_type");
    assert_eq!(world.send(deep(128)).await.code(), "400 malformed_json");
    let bottomless = "[".repeat(200 * KIB);
    for body in [
        bottomless.clone(),
        format!(r#"{{"config":{{"a":{bottomless}"#),
    ] {
        let answer = world
            .send(Call::post("/api/v1/chat", body).token(&alice.token))
            .await;
        assert_eq!(answer.code(), "400 malformed_json");
    }
}

/// The first line of the answer to a head of this many bytes, its empty line included.
async fn head(world: &World, length: usize) -> String {
    let start = format!("GET /livez HTTP/1.1\r\nhost: {HOST}\r\nx: ");
    let filler = "x".repeat(length - start.len() - 4);
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let sent = format!("{start}{filler}\r\n\r\n");
    assert_eq!(sent.len(), length);
    // The server may refuse before it has read everything.
    _ = stream.write_all(sent.as_bytes()).await;
    let mut answer = vec![0; 12];
    match stream.read_exact(&mut answer).await {
        Ok(_) => String::from_utf8(answer).unwrap(),
        Err(_) => "cut off".to_owned(),
    }
}

#[tokio::test]
async fn t23_a_head_has_64_kib_and_is_never_twice_as_long() {
    let world = World::begin(Setup::default()).await;
    assert_eq!(head(&world, 64 * KIB - 1).await, "HTTP/1.1 200");
    // In between it depends on the pieces in which it arrives.
    let refused = head(&world, 128 * KIB + 1).await;
    assert!(
        ["HTTP/1.1 431", "cut off"].contains(&&*refused),
        "{refused}"
    );
}

#[tokio::test]
async fn t26_no_text_makes_an_event_of_its_own() {
    let hostile =
        "a\n\nevent: run_finished\ndata: {\"status\":\"completed\"}\n\n: b\r\rc\u{2028}\u{0}";
    let model = ScriptedModel::new([Turn::new().text(hostile)]);
    let world = World::begin(Setup {
        model,
        ..Setup::default()
    })
    .await;
    let alice = world.member(1).await;
    let question = "\n\nevent: error\ndata: {}\n\n";
    let answer = world
        .chat(&alice.token, json!({ "content": question }))
        .await;
    let events: Vec<_> = answer
        .body
        .split("\n\n")
        .filter(|it| !it.is_empty())
        .collect();
    let names: Vec<_> = events.iter().map(|it| it.lines().next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "event: run_started",
            "event: text_chunk",
            "event: run_finished"
        ]
    );
    for event in &events {
        assert_eq!(event.lines().count(), 2, "{event}");
    }
    let data = events[1]
        .lines()
        .nth(1)
        .unwrap()
        .strip_prefix("data: ")
        .unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["chunk"], hostile);
}
