//! What admins can do with the template.

use insta::assert_snapshot;
use nexus_core::Environment;
use nexus_core::genesis::GenesisDoc;
use nexus_store::{AuditStore as _, ConfigStore as _, NewTemplate};
use nexus_test_support::model::ScriptedModel;
use serde_json::{Value, json};

use crate::client::{Answer, Call};
use crate::world::{ALICE, BOB, Person, World, template};

const PATH: &str = "/api/v1/admin/template";

async fn world() -> (World, Person) {
    let world = World::new(ScriptedModel::default()).await;
    let admin = world.admin().await;
    (world, admin)
}

async fn show(world: &World, admin: &Person) -> Value {
    let answer = world.send(Call::get(PATH).token(&admin.token)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn put(world: &World, admin: &Person, path: &str, body: Value) -> Answer {
    let call = Call::put(path, body.to_string());
    world.send_signed(admin, call).await
}

async fn change(world: &World, admin: &Person, document: &Value, expected: u64) -> Answer {
    let body = json!({ "document": document, "expected_version": expected });
    put(world, admin, PATH, body).await
}

/// A template in which people begin with another temperature.
fn cooler() -> Value {
    let mut cooler = template();
    cooler["user_defaults"]["config"]["temperature"] = json!(0.5);
    cooler
}

#[tokio::test]
async fn a_template_is_shown_with_its_history_and_its_health() {
    let (world, admin) = world().await;
    let mut shown = show(&world, &admin).await;
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
    let admin = world.admin().await;
    assert_snapshot!(show(&world, &admin).await, @r#"{"environment":"development","version":0,"author":null,"created_at":null,"hash":null,"document":null,"warnings":[],"problems":[],"health":{"version":0,"emergency":true,"problems":["there is no template for development"]}}"#);
    let answer = change(&world, &admin, &template(), 0).await.json();
    assert_eq!(
        (&answer["version"], &answer["changed"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(answer["plan"]["people"], Value::Null);
    assert_eq!(show(&world, &admin).await["health"]["emergency"], false);
}

#[tokio::test]
async fn a_change_is_in_force_with_the_next_request_and_says_what_it_did() {
    let (world, admin) = world().await;
    world.set(BOB, "temperature", json!(0.2)).await;
    let answer = change(&world, &admin, &cooler(), 1).await;
    assert_snapshot!(answer.shown(), @r#"200 {"version":2,"changed":true,"plan":{"document":[{"pointer":"/user_defaults/config/temperature","before":0.8,"after":0.5}],"policy":[],"people":{"read":2,"has_more":false,"changed":1,"changed_fields":{"config.temperature":1},"changed_examples":[{"public_key":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","changes":[{"field":"config.temperature","before":0.8,"after":0.5}]}],"refused":0,"refused_people":0,"refused_fields":{},"refused_examples":[]}},"warnings":[],"unreadable":[]}"#);
    let profile = Call::get("/api/v1/profile").token(&world.token(ALICE).await);
    let profile = world.send(profile).await.json();
    assert_eq!(profile["template_version"], 2);
    assert_eq!(profile["fields"][1]["value"], 0.5);

    let versions = Call::get("/api/v1/admin/template/versions").token(&admin.token);
    let versions = world.send(versions).await.json();
    let who = |index: usize| {
        let it = &versions["versions"][index];
        (it["version"].clone(), it["author"].clone())
    };
    assert_eq!(who(0), (json!(2), json!(admin.address())));
    assert_eq!(who(1), (json!(1), json!("test")));
    assert_eq!(versions["next_before"], Value::Null);
}

#[tokio::test]
async fn a_dry_run_tells_the_plan_and_stores_nothing() {
    let (world, admin) = world().await;
    let body = json!({ "document": cooler(), "expected_version": 1 });
    let dry = put(&world, &admin, &format!("{PATH}?dry_run=true"), body)
        .await
        .json();
    assert_eq!(
        (&dry["version"], &dry["changed"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(show(&world, &admin).await["version"], 1);
    let done = change(&world, &admin, &cooler(), 1).await.json();
    assert_eq!(dry["plan"], done["plan"]);
}

#[tokio::test]
async fn a_template_that_says_the_same_is_not_stored_again() {
    let (world, admin) = world().await;
    let answer = change(&world, &admin, &template(), 1).await;
    assert_snapshot!(answer.shown(), @r#"200 {"version":1,"changed":false,"plan":{"document":[],"policy":[],"people":{"read":2,"has_more":false,"changed":0,"changed_fields":{},"changed_examples":[],"refused":0,"refused_people":0,"refused_fields":{},"refused_examples":[]}},"warnings":[],"unreadable":[]}"#);
}

#[tokio::test]
async fn every_mistake_is_told_and_nothing_is_stored() {
    let (world, admin) = world().await;
    let mut broken = template();
    broken["llm"]["catalog"]["calm"]["provider"] = json!("nobody");
    broken["system"]["max_tool_iterations"] = json!(99);
    let answer = change(&world, &admin, &broken, 1).await;
    assert_snapshot!(answer.shown(), @r#"422 {"error":{"code":"invalid_template","message":"the template has 2 mistakes: details name them","details":{"problems":[{"pointer":"/system/max_tool_iterations","found":"99","expected":"a whole number from 1 to 20"},{"pointer":"/llm/catalog/calm/provider","found":"\"nobody\"","expected":"a key of llm.providers"}]}}}"#);
    assert_eq!(show(&world, &admin).await["version"], 1);
}

#[tokio::test]
async fn a_change_of_an_older_version_is_refused() {
    let (world, admin) = world().await;
    assert_eq!(change(&world, &admin, &cooler(), 1).await.status, 200);
    assert_snapshot!(change(&world, &admin, &template(), 1).await.shown(), @r#"409 {"error":{"code":"conflict","message":"the stored template is version 2, and you expected 1: read it again, and change that one","details":{"version":2}}}"#);
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_stored() {
    let (world, admin) = world().await;
    let mut warmer = template();
    warmer["user_defaults"]["config"]["temperature"] = json!(1.1);
    let (documents, world) = ([cooler(), warmer], &world);
    let [one, other] = documents.each_ref().map(|it| change(world, &admin, it, 1));
    let (one, other) = tokio::join!(one, other);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{one:?} {other:?}");
    assert_eq!(show(world, &admin).await["version"], 2);
}

#[tokio::test]
async fn a_body_of_another_shape_is_refused() {
    let (world, admin) = world().await;
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
        let told = put(&world, &admin, PATH, body).await.error();
        assert!(told.starts_with(error), "{error}: {told}");
    }
    let body = json!({ "document": template(), "expected_version": 1 });
    let answer = put(&world, &admin, &format!("{PATH}?dry_run=maybe"), body).await;
    assert!(
        answer.error().starts_with("422 invalid_query"),
        "{answer:?}"
    );
    let wrong = Call::post(PATH, "{}").token(&admin.token);
    let wrong = world.send(wrong).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET,HEAD,PUT"));
}

#[tokio::test]
async fn a_key_in_clear_is_not_shown_and_survives_an_edit() {
    let (world, admin) = world().await;
    let mut clear = template();
    clear["llm"]["providers"]["far"]["api_key"] = json!("sk-in-clear");
    let answer = change(&world, &admin, &clear, 1).await;
    assert!(!answer.body.contains("sk-in-clear"), "{answer:?}");
    let mut shown = show(&world, &admin).await["document"].take();
    assert!(!shown.to_string().contains("sk-in-clear"));
    shown["system"]["app_name"] = json!("Renamed");
    let answer = change(&world, &admin, &shown, 2).await.json();
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
    let (world, admin) = world().await;
    for (place, value) in [
        ("base_url", "https://evil.test/v1"),
        ("base_url", "${MONGO_URI}"),
        ("api_key", "${MONGO_URI}"),
    ] {
        let mut hostile = template();
        hostile["llm"]["providers"]["far"][place] = json!(value);
        let answer = change(&world, &admin, &hostile, 1).await;
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
    assert_eq!(change(&world, &admin, &clear, 1).await.status, 200);
    let mut shown = show(&world, &admin).await["document"].take();
    shown["llm"]["providers"]["far"]["base_url"] = json!("https://evil.test/v1");
    let answer = change(&world, &admin, &shown, 2).await;
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
    let (world, admin) = world().await;
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
    let shown = show(&world, &admin).await;
    assert_eq!(
        (&shown["version"], &shown["health"]["version"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        shown["problems"][0]["pointer"],
        "/user_defaults/config/model"
    );

    let answer = change(&world, &admin, &cooler(), 2).await.json();
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
async fn an_old_version_is_shown_with_its_document_and_without_keys_in_clear() {
    let (world, admin) = world().await;
    let mut clear = template();
    clear["llm"]["providers"]["elsewhere"] = json!({
        "protocol": "openai", "base_url": "https://api.openai.com/v1", "api_key": "sk-in-clear"
    });
    assert_eq!(change(&world, &admin, &clear, 1).await.status, 200);
    assert_eq!(change(&world, &admin, &cooler(), 2).await.status, 200);
    let get = async |version: &str| {
        let call = Call::get(&format!("{PATH}/versions/{version}"));
        world.send(call.token(&admin.token)).await
    };
    let mut first = get("1").await.json();
    assert_eq!(first["document"].take(), template());
    assert_eq!(first["hash"].take().as_str().unwrap().len(), 64);
    assert_snapshot!(first, @r#"{"environment":"development","version":1,"author":"test","created_at":"2025-10-09T08:53:20Z","hash":null,"document":null}"#);
    let second = get("2").await;
    assert_eq!(second.json()["author"], json!(admin.address()));
    assert!(!second.body.contains("sk-in-clear"), "{}", second.body);
    for nothing in ["0", "4", "-1", "latest"] {
        assert_eq!(get(nothing).await.code(), "404 not_found", "{nothing}");
    }
}

#[tokio::test]
async fn versions_come_in_pages() {
    let (world, admin) = world().await;
    for version in 1..60 {
        let mut document = template();
        document["system"]["app_name"] = json!(format!("Name {version}"));
        assert_eq!(change(&world, &admin, &document, version).await.status, 200);
    }
    let mut seen = Vec::new();
    let mut path = format!("{PATH}/versions");
    loop {
        let page = world
            .send(Call::get(&path).token(&admin.token))
            .await
            .json();
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
    let (world, admin) = world().await;
    // The token is remembered, so that the door opens.
    show(&world, &admin).await;
    world.store.stop();
    for answer in [
        world.send(Call::get(PATH).token(&admin.token)).await,
        change(&world, &admin, &cooler(), 1).await,
    ] {
        assert!(
            answer.error().starts_with("503 store_unavailable"),
            "{answer:?}"
        );
    }
}

/// T37: whoever edits the template changes no more than what is checked, on record and told.
#[tokio::test]
async fn t37_a_template_that_loosens_rules_is_signed_versioned_on_record_and_told() {
    let mut strict = template();
    strict["security"]["signature_required_commands"] = json!(["config.set", "export"]);
    strict["user_defaults"]["prompts"]["system"] =
        json!({ "content": "Be honest.", "editable": false, "order": 0 });
    let development = Environment::Development;
    let world =
        World::with_template(ScriptedModel::default(), development, Some(strict.clone())).await;
    let admin = world.admin().await;

    let mut loose = strict.clone();
    loose["security"]["signature_required_commands"] = json!([]);
    loose["user_defaults"]["prompts"]["system"]["editable"] = json!(true);
    let fields = loose["ui"]["editable_fields"].as_array_mut().unwrap();
    fields.push(json!("prompts.system"));
    let answer = change(&world, &admin, &loose, 1).await.json();
    assert_eq!(
        answer["plan"]["policy"],
        json!([
            { "rule": "unlocked", "field": "prompts.system" },
            { "rule": "signature_not_needed", "command": "export" },
        ]),
        "{answer}"
    );
    assert_eq!(show(&world, &admin).await["version"], 2);
    let entry = world.store.audit(0, 10).await.unwrap().entries.remove(0);
    assert_eq!((entry.seq, &*entry.action.to_string()), (1, "template"));
    assert_eq!(entry.actor.to_string(), admin.address().to_string());
    assert!(entry.signature.is_some());

    // The built-in list is no matter of the template.
    let member = world.member(1).await;
    let unsigned = Call::command("config.set", &json!({ "field": "temperature", "value": 1 }));
    let unsigned = world.send(unsigned.token(&member.token)).await;
    assert_eq!(unsigned.code(), "401 signature_required");

    // Back to an older one is a new version too, and to one that cannot be used there is no way.
    let answer = change(&world, &admin, &strict, 2).await.json();
    assert_eq!(answer["version"], 3);
    assert_eq!(answer["plan"]["policy"][0]["rule"], "locked");
    let mut downgraded = strict;
    downgraded["security"]["signature_required_commands"] = json!("none");
    let answer = change(&world, &admin, &downgraded, 3).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(show(&world, &admin).await["version"], 3);
}
