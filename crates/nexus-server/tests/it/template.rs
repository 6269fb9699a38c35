//! What admins can do with the template.

use insta::assert_snapshot;
use nexus_core::Environment;
use nexus_core::genesis::GenesisDoc;
use nexus_llm::scripted::ScriptedModel;
use nexus_store::{ConfigStore as _, NewTemplate};
use serde_json::{Value, json};

use crate::client::{Answer, Call};
use crate::world::{ALICE, BOB, World, template};

const PATH: &str = "/api/v1/admin/template";

async fn world() -> (World, String) {
    let world = World::new(ScriptedModel::default()).await;
    let token = world.admin_token().await;
    (world, token)
}

async fn show(world: &World, token: &str) -> Value {
    let answer = world.send(Call::get(PATH).token(token)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn put(world: &World, token: &str, path: &str, body: Value) -> Answer {
    let call = Call::put(path, body.to_string()).token(token);
    world.send(call).await
}

async fn change(world: &World, token: &str, document: &Value, expected: u64) -> Answer {
    let body = json!({ "document": document, "expected_version": expected });
    put(world, token, PATH, body).await
}

/// A template in which people begin with another temperature.
fn cooler() -> Value {
    let mut cooler = template();
    cooler["user_defaults"]["config"]["temperature"] = json!(0.5);
    cooler
}

#[tokio::test]
async fn a_template_is_shown_with_its_history_and_its_health() {
    let (world, token) = world().await;
    let mut shown = show(&world, &token).await;
    let document = shown.as_object_mut().unwrap().remove("document").unwrap();
    assert_eq!(document, template());
    assert_eq!(shown["hash"].as_str().unwrap().len(), 64);
    shown["hash"] = json!("…");
    assert_snapshot!(shown, @r#"{"environment":"development","version":1,"author":"test","created_at":"2025-10-09T08:53:20Z","hash":"…","health":{"version":1,"emergency":false,"problems":[]},"warnings":[],"problems":[]}"#);
}

#[tokio::test]
async fn without_a_template_the_version_is_0_and_the_first_can_be_stored() {
    let development = Environment::Development;
    let world = World::with_template(ScriptedModel::default(), development, None).await;
    let token = world.admin_token().await;
    assert_snapshot!(show(&world, &token).await, @r#"{"environment":"development","version":0,"author":null,"created_at":null,"hash":null,"document":null,"warnings":[],"problems":[],"health":{"version":0,"emergency":true,"problems":["there is no template for development"]}}"#);
    let answer = change(&world, &token, &template(), 0).await.json();
    assert_eq!(
        (&answer["version"], &answer["changed"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(answer["plan"]["people"], Value::Null);
    assert_eq!(show(&world, &token).await["health"]["emergency"], false);
}

#[tokio::test]
async fn a_change_is_in_force_with_the_next_request_and_says_what_it_did() {
    let (world, token) = world().await;
    world.set(BOB, "temperature", json!(0.2)).await;
    let answer = change(&world, &token, &cooler(), 1).await;
    assert_snapshot!(answer.shown(), @r#"200 {"version":2,"changed":true,"plan":{"document":[{"pointer":"/user_defaults/config/temperature","before":0.8,"after":0.5}],"people":{"read":2,"has_more":false,"changed":1,"changed_fields":{"config.temperature":1},"changed_examples":[{"public_key":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","changes":[{"field":"config.temperature","before":0.8,"after":0.5}]}],"refused":0,"refused_examples":[]}},"warnings":[]}"#);
    let profile = Call::get("/api/v1/profile").token(&token);
    let profile = world.send(profile).await.json();
    assert_eq!(profile["template_version"], 2);
    assert_eq!(profile["fields"][1]["value"], 0.5);

    let versions = Call::get("/api/v1/admin/template/versions").token(&token);
    let versions = world.send(versions).await.json();
    let who = |index: usize| {
        let it = &versions["versions"][index];
        (it["version"].clone(), it["author"].clone())
    };
    assert_eq!(who(0), (json!(2), json!(ALICE)));
    assert_eq!(who(1), (json!(1), json!("test")));
    assert_eq!(versions["next_before"], Value::Null);
}

#[tokio::test]
async fn a_dry_run_tells_the_plan_and_stores_nothing() {
    let (world, token) = world().await;
    let body = json!({ "document": cooler(), "expected_version": 1 });
    let dry = put(&world, &token, &format!("{PATH}?dry_run=true"), body)
        .await
        .json();
    assert_eq!(
        (&dry["version"], &dry["changed"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(show(&world, &token).await["version"], 1);
    let done = change(&world, &token, &cooler(), 1).await.json();
    assert_eq!(dry["plan"], done["plan"]);
}

#[tokio::test]
async fn a_template_that_says_the_same_is_not_stored_again() {
    let (world, token) = world().await;
    let answer = change(&world, &token, &template(), 1).await;
    assert_snapshot!(answer.shown(), @r#"200 {"version":1,"changed":false,"plan":{"document":[],"people":{"read":2,"has_more":false,"changed":0,"changed_fields":{},"changed_examples":[],"refused":0,"refused_examples":[]}},"warnings":[]}"#);
}

#[tokio::test]
async fn every_mistake_is_told_and_nothing_is_stored() {
    let (world, token) = world().await;
    let mut broken = template();
    broken["llm"]["catalog"]["calm"]["provider"] = json!("nobody");
    broken["system"]["max_tool_iterations"] = json!(99);
    let answer = change(&world, &token, &broken, 1).await;
    assert_snapshot!(answer.shown(), @r#"422 {"error":{"code":"invalid_template","message":"the template has 2 mistakes: details name them","details":{"problems":[{"pointer":"/system/max_tool_iterations","found":"99","expected":"a whole number from 1 to 20"},{"pointer":"/llm/catalog/calm/provider","found":"\"nobody\"","expected":"a key of llm.providers"}]}}}"#);
    assert_eq!(show(&world, &token).await["version"], 1);
}

#[tokio::test]
async fn a_change_of_an_older_version_is_refused() {
    let (world, token) = world().await;
    assert_eq!(change(&world, &token, &cooler(), 1).await.status, 200);
    assert_snapshot!(change(&world, &token, &template(), 1).await.shown(), @r#"409 {"error":{"code":"conflict","message":"the stored template is version 2, and you expected 1: read it again, and change that one","details":{"version":2}}}"#);
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_stored() {
    let (world, token) = world().await;
    let mut warmer = template();
    warmer["user_defaults"]["config"]["temperature"] = json!(1.1);
    let (documents, world) = ([cooler(), warmer], &world);
    let [one, other] = documents.each_ref().map(|it| change(world, &token, it, 1));
    let (one, other) = tokio::join!(one, other);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{one:?} {other:?}");
    assert_eq!(show(world, &token).await["version"], 2);
}

#[tokio::test]
async fn a_body_of_another_shape_is_refused() {
    let (world, token) = world().await;
    for (body, error) in [
        (json!({ "document": {} }), "422 missing_field -"),
        (
            json!({ "document": [], "expected_version": 1 }),
            "422 wrong_type document",
        ),
        (
            json!({ "document": {}, "expected_version": -1 }),
            "422 wrong_type expected_version",
        ),
        (
            json!({ "document": {}, "expected_version": 1, "force": true }),
            "422 unknown_field force",
        ),
        (
            json!({ "document": {}, "expected_version": 1 }),
            "422 invalid_template -",
        ),
    ] {
        let told = put(&world, &token, PATH, body).await.error();
        assert!(told.starts_with(error), "{error}: {told}");
    }
    let body = json!({ "document": template(), "expected_version": 1 });
    let answer = put(&world, &token, &format!("{PATH}?dry_run=maybe"), body).await;
    assert!(
        answer.error().starts_with("422 invalid_query"),
        "{answer:?}"
    );
    let wrong = Call::post(PATH, "{}").token(&token);
    let wrong = world.send(wrong).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET,HEAD,PUT"));
}

#[tokio::test]
async fn a_key_in_clear_is_not_shown_and_survives_an_edit() {
    let (world, token) = world().await;
    let mut clear = template();
    clear["llm"]["providers"]["far"]["api_key"] = json!("sk-in-clear");
    let answer = change(&world, &token, &clear, 1).await;
    assert!(!answer.body.contains("sk-in-clear"), "{answer:?}");
    let mut shown = show(&world, &token).await["document"].take();
    assert!(!shown.to_string().contains("sk-in-clear"));
    shown["system"]["app_name"] = json!("Renamed");
    let answer = change(&world, &token, &shown, 2).await.json();
    assert_eq!(
        answer["plan"]["document"].as_array().unwrap().len(),
        1,
        "{answer}"
    );
    let stored = world.store.template(Environment::Development).await;
    let stored = stored.unwrap().unwrap().doc;
    assert_eq!(
        stored.as_map()["llm"]["providers"]["far"]["api_key"],
        "sk-in-clear"
    );
}

#[tokio::test]
async fn t18_neither_a_pinned_nor_a_hidden_key_moves_to_another_server() {
    let (world, token) = world().await;
    for (place, value) in [
        ("base_url", "https://evil.test/v1"),
        ("base_url", "${MONGO_URI}"),
        ("api_key", "${MONGO_URI}"),
    ] {
        let mut hostile = template();
        hostile["llm"]["providers"]["far"][place] = json!(value);
        let answer = change(&world, &token, &hostile, 1).await;
        assert!(
            answer.error().starts_with("422 invalid_template"),
            "{answer:?}"
        );
        assert!(
            answer.body.contains("nexus.yml"),
            "it says what to write: {answer:?}"
        );
    }
    let mut clear = template();
    clear["llm"]["providers"]["far"]["api_key"] = json!("sk-in-clear");
    assert_eq!(change(&world, &token, &clear, 1).await.status, 200);
    let mut shown = show(&world, &token).await["document"].take();
    shown["llm"]["providers"]["far"]["base_url"] = json!("https://evil.test/v1");
    let answer = change(&world, &token, &shown, 2).await;
    assert!(
        answer.error().starts_with("422 invalid_template"),
        "{answer:?}"
    );
    assert!(
        answer.body.contains("/llm/providers/far/api_key"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_unusable_stored_template_is_shown_with_its_mistakes_and_can_be_replaced() {
    let (world, token) = world().await;
    let mut broken = template();
    broken["user_defaults"]["config"]["model"] = json!("gone");
    // As somebody with another tool would.
    let new = NewTemplate {
        environment: Environment::Development,
        doc: GenesisDoc::from_value(broken).unwrap(),
        author: "another tool".to_owned(),
        created_at: nexus_core::Clock::now(&*world.clock),
    };
    world.store.put_template(new, Some(1)).await.unwrap();
    world.orchestrator.template.reload().await;
    let shown = show(&world, &token).await;
    assert_eq!(
        (&shown["version"], &shown["health"]["version"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        shown["problems"][0]["pointer"],
        "/user_defaults/config/model"
    );

    let answer = change(&world, &token, &cooler(), 2).await.json();
    assert_eq!(
        (&answer["version"], &answer["plan"]["people"]),
        (&json!(3), &Value::Null)
    );
    let ready = world.send(Call::get("/readyz")).await.json();
    assert_eq!(
        (&ready["status"], &ready["template"]["version"]),
        (&json!("ready"), &json!(3))
    );
}

#[tokio::test]
async fn versions_come_in_pages() {
    let (world, token) = world().await;
    for version in 1..60 {
        let mut document = template();
        document["system"]["app_name"] = json!(format!("Name {version}"));
        assert_eq!(change(&world, &token, &document, version).await.status, 200);
    }
    let mut seen = Vec::new();
    let mut path = format!("{PATH}/versions");
    loop {
        let page = world.send(Call::get(&path).token(&token)).await.json();
        let versions = page["versions"].as_array().unwrap().iter();
        seen.extend(versions.map(|it| it["version"].as_u64().unwrap()));
        let Some(before) = page["next_before"].as_u64() else {
            break;
        };
        path = format!("{PATH}/versions?before={before}");
    }
    assert_eq!(seen, (1..=60).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn without_a_store_nothing_is_known_and_nothing_is_changed() {
    let (world, token) = world().await;
    // The token is remembered, so that the door opens.
    show(&world, &token).await;
    world.store.stop();
    for answer in [
        world.send(Call::get(PATH).token(&token)).await,
        change(&world, &token, &cooler(), 1).await,
    ] {
        assert!(
            answer.error().starts_with("503 store_unavailable"),
            "{answer:?}"
        );
    }
}
