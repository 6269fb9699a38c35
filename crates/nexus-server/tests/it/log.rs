//! What the log says of a request, and what it keeps to itself.

use nexus_test_support::log::Log;
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::json;

use crate::client::Call;
use crate::world::{ALICE, World, template};

#[tokio::test]
async fn a_request_is_one_line_without_anything_that_somebody_said() {
    let (log, _listening) = Log::of_thread(tracing::Level::INFO);
    let turn = (0..50).fold(Turn::new(), |turn, _| turn.text("an answer"));
    let world = World::new(ScriptedModel::new([turn])).await;
    let token = world.token(ALICE).await;
    let call = Call::post(
        "/api/v1/chat?secret=in-the-query",
        json!({ "content": "a question" }).to_string(),
    );
    assert_eq!(world.send(call.token(&token)).await.status, 200);
    world.send(Call::get("/secret-path")).await;

    let requests = log.lines_about("request");
    let shown: Vec<_> = requests
        .iter()
        .map(|line| format!("{} {} {}", line["method"], line["route"], line["status"]))
        .collect();
    assert_eq!(
        shown,
        ["\"POST\" \"/api/v1/chat\" 200", "\"GET\" \"-\" 404"]
    );
    let everything = format!("{:?}", log.lines());
    for secret in [
        &*token,
        "in-the-query",
        "secret-path",
        "a question",
        "an answer",
    ] {
        assert!(!everything.contains(secret), "{secret}");
    }
    assert!(log.lines().len() < 10, "nothing is logged for each piece");
}

#[tokio::test]
async fn a_change_of_the_template_is_a_line_with_who_and_what() {
    let (log, _listening) = Log::of_thread(tracing::Level::INFO);
    let world = World::new(ScriptedModel::default()).await;
    let admin = world.admin().await;
    let mut document = template();
    document["user_defaults"]["prompts"]["persona"]["content"] = json!("A new persona.");
    document["user_defaults"]["prompts"]["persona"]["editable"] = json!(false);
    let body = json!({ "document": document, "expected_version": 1 });
    for _ in 0..2 {
        let call = Call::put("/api/v1/admin/template", body.to_string());
        world.send_signed(&admin, call).await;
    }
    let [line] = &log.lines_about("a new template was stored")[..] else {
        panic!("{:?}", log.lines())
    };
    assert_eq!(line["environment"], "development");
    assert_eq!(line["version"], 2);
    assert_eq!(line["author"], format!("\"{}\"", admin.address()));
    assert_eq!(line["hash"].as_str().unwrap().len(), 64);
    let in_force = log.lines_about("template in force");
    assert_eq!(in_force.last().unwrap()["hash"], line["hash"]);
    let [rule] = &log.lines_about("a rule for people changed")[..] else {
        panic!("{:?}", log.lines())
    };
    let change = rule["change"].as_str().unwrap();
    assert!(change.starts_with("prompts.persona: people may not change it any more"));
    assert!(!format!("{:?}", log.lines()).contains("A new persona"));
}

#[tokio::test]
async fn a_defect_is_logged_once_under_the_name_that_the_client_has() {
    let (log, _listening) = Log::of_thread(tracing::Level::INFO);
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    world.store.panic();
    let answer = world
        .send(Call::get("/api/v1/messages").token(&token))
        .await;

    let failures = log.lines_about("request failed");
    assert_eq!(failures.len(), 1);
    assert_eq!(
        failures[0]["request_id"],
        answer.json()["error"]["details"]["request_id"]
    );
    assert_eq!(failures[0]["cause"], "the secret of the store");
}

#[tokio::test]
async fn the_log_knows_why_the_store_failed_and_the_client_does_not() {
    let (log, _listening) = Log::of_thread(tracing::Level::INFO);
    let world = World::new(ScriptedModel::default()).await;
    let token = world.token(ALICE).await;
    world.store.stop();
    let answer = world
        .send(Call::get("/api/v1/messages").token(&token))
        .await;
    assert!(!answer.body.contains("sda1"));
    let failures = log.lines_about("request failed");
    assert!(
        failures[0]["cause"]
            .as_str()
            .unwrap()
            .contains("disk sda1 burns")
    );
}
