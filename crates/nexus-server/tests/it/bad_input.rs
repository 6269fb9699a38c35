//! What a client can get wrong, and what it is told.

use insta::assert_snapshot;
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::json;

use crate::client::Call;
use crate::world::{ALICE, World};

#[tokio::test]
async fn a_wrong_body_is_refused_with_the_place_and_the_reason() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    let bodies = [
        "",
        "{\"content\": \"hi\",\n  oops}",
        "{\"content\": \"hi\"} {}",
        "[]",
        "[\"hi\", {}]",
        "[",
        "\"hi\"",
        "{}",
        "{\"content\": 7}",
        "{\"content\": null}",
        "{\"content\": \"a\", \"content\": \"b\"}",
        "{\"content\": \"hi\", \"stream\": true}",
        "{\"content\": \"hi\", \"config\": []}",
        "{\"content\": \"hi\", \"config\": {\"api_key\": \"x\"}}",
        "{\"content\": \"hi\", \"config\": {\"model\": 3}}",
        "{\"content\": \"hi\", \"config\": {\"model\": null}}",
        "{\"content\": \"hi\", \"config\": {\"temperature\": \"hot\"}}",
        "{\"content\": \"hi\", \"config\": {\"temperature\": 9}}",
        "{\"content\": \"hi\", \"config\": {\"temperature\": 1e999}}",
        "{\"content\": \"hi\", \"config\": {\"max_tokens\": 1.5}}",
        "{\"content\": \"hi\", \"config\": {\"history_context_size\": 3}}",
        "{\"content\": \"hi\", \"config\": {\"model\": \"gpt-9\"}}",
        "{\"content\": \" \\n\\t\"}",
        "{\"content\": \"a\\u001b[2J\"}",
        "{\"content\": \"a\\u0000\"}",
        "{\"content\": \"\\ud800\"}",
    ];
    let mut answers = Vec::new();
    let mut client = world.client().await;
    for body in bodies {
        let answer = client
            .send(Call::post("/api/v1/chat", body).token(&token))
            .await;
        answers.push(answer.error());
    }
    assert_snapshot!(answers.join("\n"), @r#"
    400 malformed_json -: the body is not JSON: it ends too early, at line 1 column 0
    400 malformed_json -: the body is not JSON: key must be a string, at line 2 column 3
    400 malformed_json -: the body is not JSON: trailing characters, at line 1 column 19
    422 wrong_type -: the body must be a JSON object: {…}
    422 wrong_type -: the body must be a JSON object: {…}
    400 malformed_json -: the body is not JSON: it ends too early, at line 1 column 1
    422 wrong_type -: the body must be a JSON object: {…}
    422 missing_field -: missing field `content`: send a question, or run_id to ask a stored one again
    422 wrong_type content: content: invalid type: integer `7`, expected a string
    422 missing_field -: missing field `content`: send a question, or run_id to ask a stored one again
    422 duplicate_field -: duplicate field `content`
    422 unknown_field stream: unknown field `stream`, expected one of `content`, `run_id`, `config`
    422 wrong_type config: config: invalid type: sequence, expected an object
    422 unknown_field config.api_key: there is no field config.api_key: expected one of model, temperature, max_tokens, history_context_size, tools
    422 wrong_type config.model: config.model must be the name of a model; leave it out to inherit it
    422 wrong_type config.model: config.model must be the name of a model; leave it out to inherit it
    422 wrong_type config.temperature: config.temperature must be a number; leave it out to inherit it
    422 out_of_bounds config.temperature: config.temperature must be a number from 0 to 1.5, not 9
    400 malformed_json -: the body is not JSON: number out of range, at line 1 column 49
    422 wrong_type config.max_tokens: config.max_tokens must be a whole number; leave it out to inherit it
    422 field_locked config.history_context_size: config.history_context_size cannot be changed: the template does not list it in ui.editable_fields
    422 unknown_model config.model: there is no model "gpt-9": choose one of calm, wild
    422 empty_message content: the message is empty: write something
    422 invalid_text content: control character U+001B at character 1: remove it
    422 invalid_text content: control character U+0000 at character 1: remove it
    400 malformed_json -: the body is not JSON: unexpected end of hex escape, at line 1 column 20
    "#);

    assert!(world.stored(ALICE).await.is_empty());
    assert!(world.model.requests().is_empty());
}

#[tokio::test]
async fn the_whole_of_an_error() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    let malformed = world
        .send(Call::post("/api/v1/chat", "{]").token(&token))
        .await;
    assert_snapshot!(malformed.shown(), @r#"400 {"error":{"code":"malformed_json","message":"the body is not JSON: key must be a string, at line 1 column 2","details":{"line":1,"column":2}}}"#);
    let body = json!({ "content": "hi", "config": { "model": "gpt-9" } });
    let refused = world.chat(&token, body).await;
    assert_eq!(refused.header("content-type"), "application/json");
    assert_snapshot!(refused.shown(), @r#"422 {"error":{"code":"unknown_model","message":"there is no model \"gpt-9\": choose one of calm, wild","field":"config.model"}}"#);
}

#[tokio::test]
async fn what_a_client_sent_is_not_sent_back_at_length() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    let long = "long".repeat(10_000);
    let bodies = [
        json!({ "content": "hi", long.clone(): 1 }),
        json!({ "content": { long.clone(): 1 } }),
        json!({ "content": "hi", "config": long }),
        json!({ "content": "hi", "config": { long.clone(): 1 } }),
        json!({ "content": "hi", "config": { "model": long } }),
    ];
    for body in bodies {
        let answer = world.chat(&token, body).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.len() < 1000, "{}", answer.error());
    }
    let path = format!("/api/v1/messages?{long}=1");
    let answer = world.send(Call::get(&path).token(&token)).await;
    assert!(answer.body.len() < 1000, "{}", answer.error());
}

#[tokio::test]
async fn a_body_of_256_kib_is_read_and_one_more_byte_is_not() {
    let world = World::new(ScriptedModel::new([Turn::new().text("Long.")])).await;
    let token = world.token(ALICE).await;
    let frame = json!({ "content": "" }).to_string().len();
    let content = "x".repeat(256 * 1024 - frame);
    let fits = world.chat(&token, json!({ "content": content })).await;
    assert_eq!(fits.status, 200);
    let too_long = world
        .chat(&token, json!({ "content": format!("{content}x") }))
        .await;
    assert_snapshot!(too_long.shown(), @r#"413 {"error":{"code":"body_too_large","message":"the body is longer than 262144 bytes: send less at a time","details":{"limit":262144}}}"#);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_not_guessed_at() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let call = Call::new(&http::Method::POST, "/api/v1/chat").token(&token);
        let answer = world.send(call.header("content-type", kind)).await;
        assert_eq!(answer.status, 415, "{kind}");
    }
    let call = Call::new(&http::Method::POST, "/api/v1/chat").token(&token);
    assert_snapshot!(world.send(call).await.shown(), @r#"415 {"error":{"code":"unsupported_media_type","message":"the body must be JSON: send `Content-Type: application/json`"}}"#);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_told_apart() {
    let world = World::new(ScriptedModel::default()).await;
    let unknown = world.send(Call::get("/api/v1/nothing")).await;
    assert_snapshot!(unknown.shown(), @r#"404 {"error":{"code":"not_found","message":"there is nothing here: GET /api/v1 lists what there is"}}"#);
    for path in [
        "/api/",
        "/api/v2/chat",
        "/nothing",
        "/assets/gone.js",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
    ] {
        assert_eq!(world.send(Call::get(path)).await.status, 404, "{path}");
    }
    assert_eq!(world.send(Call::post("/nothing", "{}")).await.status, 404);

    let wrong = world.send(Call::get("/api/v1/chat")).await;
    assert_eq!(wrong.header("allow"), "POST");
    assert_snapshot!(wrong.shown(), @r#"405 {"error":{"code":"method_not_allowed","message":"this path is for another method: the Allow header names it"}}"#);
    assert_eq!(world.send(Call::post("/livez", "")).await.status, 405);
}

#[tokio::test]
async fn a_page_of_messages_is_asked_for_in_the_right_words() {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    let mut answers = Vec::new();
    for query in [
        "limit=0",
        "limit=101",
        "limit=ten",
        "cursor=5",
        "cursor=c_zz",
        "cursor=",
        "before=3",
        "limit=1&limit=2",
    ] {
        let path = format!("/api/v1/messages?{query}");
        answers.push(world.send(Call::get(&path).token(&token)).await.error());
    }
    assert_snapshot!(answers.join("\n"), @"
    422 invalid_limit limit: limit must be a whole number from 1 to 100
    422 invalid_limit limit: limit must be a whole number from 1 to 100
    422 invalid_limit limit: limit must be a whole number from 1 to 100
    422 invalid_cursor cursor: this is no cursor: send next_cursor of the page before, exactly as it came
    422 invalid_cursor cursor: this is no cursor: send next_cursor of the page before, exactly as it came
    422 invalid_cursor cursor: this is no cursor: send next_cursor of the page before, exactly as it came
    422 invalid_query -: before: unknown field `before`, expected `limit` or `cursor`
    422 invalid_query -: duplicate field `limit`
    ");
}
