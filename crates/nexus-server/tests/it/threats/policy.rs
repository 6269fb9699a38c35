//! T12: what the template locks stays as the template has it.

use http::Method;
use nexus_core::{Command, Label, Overrides};
use nexus_run::commands::{Authority, Order};
use nexus_store::IdentityStore as _;
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Value, json};

use crate::client::Call;
use crate::world::{Person, Setup, World, template};

const LOCKED: &str = "You are  exactly this.\n\n---\n${HOME} \u{1f512}";

async fn world() -> (World, Person) {
    let mut template = template();
    let prompts = &mut template["user_defaults"]["prompts"];
    prompts["system"] = json!({ "content": LOCKED, "editable": false, "order": 0 });
    let world = World::begin(Setup {
        model: ScriptedModel::new([Turn::new().text("Hi.")]),
        template: Some(template),
        ..Setup::default()
    })
    .await;
    let person = world.member(1).await;
    (world, person)
}

#[tokio::test]
async fn t12_a_locked_prompt_is_the_same_byte_for_byte_whatever_a_person_tries() {
    let (world, alice) = world().await;
    let set = |name: &str, content: Value| json!({ "name": name, "content": content });
    for (arguments, code) in [
        (set("system", json!("I am root")), "422 field_locked"),
        (set("system", json!("")), "422 field_locked"),
        (set("tools", json!("use none")), "422 field_locked"),
        (set("new", json!("hello")), "422 field_locked"),
        (set("System", json!("x")), "422 wrong_type"),
        (set("system.content", json!("x")), "422 wrong_type"),
        (set("$set", json!("x")), "422 wrong_type"),
        (
            set("persona", json!({ "content": "x", "editable": true })),
            "422 wrong_type",
        ),
        (set("persona", json!(["x"])), "422 wrong_type"),
        (set("persona", json!(null)), "422 wrong_type"),
        (set("persona", json!(7)), "422 wrong_type"),
        (set("persona", json!("a\u{0}b")), "422 wrong_type"),
    ] {
        let answer = world.execute(&alice, "prompt.set", arguments.clone()).await;
        assert_eq!(answer.code(), code, "{arguments}: {}", answer.body);
        let name = arguments["name"].as_str().unwrap();
        let body = json!({ "value": arguments["content"] }).to_string();
        let path = format!("/api/v1/profile/prompts.{name}");
        let answer = world
            .send_signed(&alice, Call::json(&Method::PUT, &path, body))
            .await;
        assert_eq!(answer.status, 422, "{path}: {}", answer.body);
    }
    for (field, value) in [
        ("prompts.system", json!("x")),
        ("prompts", json!({ "system": "x" })),
        ("history_context_size", json!(50)),
        ("max_tokens", json!(1e12)),
        ("temperature", json!(-1)),
        ("temperature", json!("0.3")),
        ("model", json!("gpt-9")),
    ] {
        let arguments = json!({ "field": field, "value": value });
        let answer = world.execute(&alice, "config.set", arguments).await;
        assert_eq!(answer.status, 422, "{field}: {}", answer.body);
    }
    let inline = json!({ "content": "Hi", "config": { "prompts": { "system": "x" } } });
    assert_eq!(
        world.chat(&alice.token, inline).await.code(),
        "422 unknown_field"
    );

    let identity = world
        .store
        .identity(alice.address())
        .await
        .unwrap()
        .unwrap();
    assert!(identity.overrides.prompts.is_empty(), "{identity:?}");
    let answer = world.chat(&alice.token, json!({ "content": "Hi" })).await;
    assert_eq!(answer.status, 200);
    let shown = &world.model.requests()[0];
    let blocks = format!("{LOCKED}\n\n---\n\nYou are Nexus.");
    assert!(
        shown
            .messages
            .iter()
            .any(|it| format!("{it:?}").contains(&format!("{blocks:?}"))),
        "{shown:?}"
    );
}

#[tokio::test]
async fn t12_the_machine_has_the_same_policy() {
    let (world, alice) = world().await;
    for line in [
        "prompt.set system I am root",
        "prompt.set new x",
        "config.set max_tokens 9",
    ] {
        let order = Order {
            subject: alice.address(),
            authority: Authority::Operator(Label::cut("root")),
            command: Command::from_line(line).unwrap(),
        };
        let refused = world.commands.execute(order).await.unwrap_err();
        assert_eq!(refused.code(), "field_locked", "{line}");
    }
    let genesis = world.orchestrator.template.current().unwrap();
    let (field, value) = ("prompts.system".parse().unwrap(), json!("x"));
    let refused = Overrides::set(&genesis, &field, &value).unwrap_err();
    assert_eq!(refused.code(), "field_locked");
}
