//! A question in, the events of its run out.

use http_body_util::BodyExt as _;
use insta::assert_snapshot;
use nexus_core::event::Usage;
use nexus_llm::{LlmError, RetryHint};
use nexus_test_support::model::{Gate, ScriptedModel, Turn};
use serde_json::json;

use crate::client::{Call, redacted};
use crate::world::{ALICE, BOB, World};

fn hello() -> Call {
    Call::post("/api/v1/chat", json!({ "content": "Hello?" }).to_string())
}

#[tokio::test]
async fn an_answer_is_a_stream_of_events() {
    let usage = Usage {
        input_tokens: 12,
        output_tokens: 3,
        ..Usage::default()
    };
    let turn = Turn::new()
        .reasoning("Be\nshort.")
        .text("Hel")
        .text("lo.\n\n")
        .usage(usage);
    let world = World::new(ScriptedModel::new([turn])).await;
    let token = world.token(ALICE).await;
    let answer = world.chat(&token, json!({ "content": "Hello?" })).await;

    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert_eq!(answer.header("x-nexus-model"), "calm");
    assert_eq!(answer.header("x-nexus-template"), "1");
    assert!(answer.body.contains(answer.header("x-nexus-run")));
    assert_snapshot!(answer.shown(), @r#"
    200 event: run_started
    data: {"run_id":"run_…","owner_key":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","message_id":"msg_…","model":"calm","template_version":1}

    event: text_chunk
    data: {"chunk":"Be\nshort.","channel":"reasoning"}

    event: text_chunk
    data: {"chunk":"Hel","channel":"answer"}

    event: text_chunk
    data: {"chunk":"lo.\n\n","channel":"answer"}

    event: run_finished
    data: {"run_id":"run_…","status":"completed","model":{"name":"calm","provider":"builtin","id":"calm-1"},"finish_reason":"stop","usage":{"input_tokens":12,"output_tokens":3},"message_ids":["msg_…","msg_…"]}
    "#);
    let said = [
        ("human", "Hello?".to_owned()),
        ("ai", "Hello.\n\n".to_owned()),
    ];
    assert_eq!(world.stored(ALICE).await, said);
}

#[tokio::test]
async fn a_piece_leaves_as_soon_as_it_is_there() {
    let gate = Gate::new();
    let turn = Turn::new().text("first").wait(&gate).text("second");
    let world = World::new(ScriptedModel::new([turn])).await;
    let token = world.token(ALICE).await;
    let mut client = world.client().await;
    let mut body = client.open(hello().token(&token)).await.into_body();

    // The model says nothing more before it is let through: what comes now was not held back.
    let mut seen = String::new();
    while !seen.contains("first") {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        seen.push_str(std::str::from_utf8(&frame).unwrap());
    }
    assert!(!seen.contains("second"));
    gate.open();
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(String::from_utf8(rest.to_vec()).unwrap().contains("second"));
    // The connection is as good as before.
    assert_eq!(client.send(Call::get("/livez")).await.status, 200);
}

#[tokio::test]
async fn a_request_has_the_last_word_where_it_may() {
    let world = World::new(ScriptedModel::new([
        Turn::new().text("a"),
        Turn::new().text("b"),
    ]))
    .await;
    let token = world.token(ALICE).await;
    world.set(ALICE, "temperature", json!(0.2)).await;
    let config = json!({ "model": "wild-1", "temperature": 1.5 });
    let answer = world
        .chat(&token, json!({ "content": "Hi", "config": config }))
        .await;
    assert_eq!(answer.header("x-nexus-model"), "wild");
    world.chat(&token, json!({ "content": "Hi" })).await;

    let requests = world.model.requests();
    assert_eq!(
        (&*requests[0].model.name, requests[0].temperature),
        ("wild", Some(1.5))
    );
    assert_eq!(
        (&*requests[1].model.name, requests[1].temperature),
        ("calm", Some(0.2))
    );
}

#[tokio::test]
async fn an_answer_is_stored_when_its_reader_leaves() {
    let gate = Gate::new();
    let turn = Turn::new().text("You will ").wait(&gate).text("miss this.");
    let world = World::new(ScriptedModel::new([turn])).await;
    let token = world.token(ALICE).await;
    let mut client = world.client().await;
    let mut body = client.open(hello().token(&token)).await.into_body();
    body.frame().await.unwrap().unwrap();
    gate.reached().await;
    client.leave().await;
    gate.open();
    world.settle().await;
    let last = world.stored(ALICE).await.pop();
    assert_eq!(last, Some(("ai", "You will miss this.".to_owned())));
}

#[tokio::test]
async fn a_provider_that_fails_is_an_event_of_a_run_that_has_begun() {
    let failure = LlmError::RateLimited {
        provider: "builtin".into(),
        hint: RetryHint {
            after: Some(std::time::Duration::from_secs(7)),
            again: None,
        },
    };
    let world = World::new(ScriptedModel::new([Turn::new().error(failure)])).await;
    let token = world.token(ALICE).await;
    let answer = world.chat(&token, json!({ "content": "Hi" })).await;
    let events: Vec<_> = answer.body.split_inclusive("\n\n").skip(1).collect();
    assert_snapshot!(redacted(&events.concat()), @r#"
    event: error
    data: {"code":"provider_rate_limited","message":"provider builtin is limiting requests: try again later","retryable":true,"retry_after":7}

    event: run_finished
    data: {"run_id":"run_…","status":"failed","message_ids":["msg_…"]}
    "#);
}

#[tokio::test]
async fn a_run_that_cannot_begin_is_a_failed_request() {
    let world = World::with_template(
        ScriptedModel::default(),
        nexus_core::Environment::Production,
        None,
    )
    .await;
    let token = world.token(BOB).await;
    let answer = world.chat(&token, json!({ "content": "Hi" })).await;
    assert_eq!(answer.header("retry-after"), "1");
    assert_snapshot!(answer.shown(), @r#"503 {"error":{"code":"template_unavailable","message":"Nexus has no usable template: run `nexus init` for this environment, or see /readyz for what is wrong with it","retryable":true}}"#);
}

#[tokio::test]
async fn the_first_event_explains_the_profile_to_whoever_asks() {
    let world = World::new(ScriptedModel::new([Turn::new().text("Hi.")])).await;
    let token = world.token(ALICE).await;
    let call = |value| hello().token(&token).header("x-nexus-explain", value);
    let answer = world.send(call("1")).await;
    let first = answer.body.split("data: ").nth(1).unwrap();
    let first: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["explanation"][0]["field"], "config.model");
    assert_eq!(first["explanation"][0]["layer"], "genesis");
    assert_eq!(
        world.send(call("maybe")).await.error(),
        "422 invalid_header x-nexus-explain: the header x-nexus-explain must be 0 or 1"
    );
}
