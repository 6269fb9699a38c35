//! T33: however much was said, a request reads and shows a part of it that has a limit.

use nexus_core::{MessageId, Metadata, Role};
use nexus_store::{IdentityStore as _, MessageStore as _};
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Value, json};

use crate::client::Call;
use crate::world::{ALICE, Setup, World, template};

/// A member with this many messages.
async fn talkative(setup: Setup, count: usize) -> (World, String) {
    let world = World::begin(setup).await;
    let identity = world.store.identity(ALICE).await.unwrap().unwrap();
    let now = nexus_core::Clock::now(&*world.clock);
    for number in 0..count {
        let message = nexus_core::Message {
            id: MessageId::new(now),
            run_id: format!("run_{number:032x}").try_into().unwrap(),
            owner_key: ALICE,
            role: if number % 2 == 0 {
                Role::Human
            } else {
                Role::Ai
            },
            content: format!("number {number}"),
            timestamp: now,
            metadata: Metadata::empty(),
        };
        world.store.append(&identity, message).await.unwrap();
    }
    let token = world.token(ALICE).await;
    (world, token)
}

#[tokio::test]
async fn t33_a_page_has_a_hundred_messages_and_not_one_more() {
    let (world, token) = talkative(Setup::default(), 250).await;
    let page = async |query: &str| {
        let call = Call::get(&format!("/api/v1/messages?{query}")).token(&token);
        world.send(call).await
    };
    for query in [
        "limit=101",
        "limit=0",
        "limit=-1",
        "limit=1e3",
        "limit=9999999999999",
        "limit=",
    ] {
        assert_eq!(page(query).await.code(), "422 invalid_limit", "{query}");
    }
    for query in ["cursor=0x1", "cursor=-1", "cursor=99999999999999999999999"] {
        assert_eq!(page(query).await.code(), "422 invalid_cursor", "{query}");
    }
    // Each message once, in pages.
    let (mut sizes, mut query) = (Vec::new(), "limit=100".to_owned());
    loop {
        let page = page(&query).await.json();
        sizes.push(page["messages"].as_array().unwrap().len());
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("limit=100&cursor={cursor}");
    }
    assert_eq!(sizes, [100, 100, 50]);
    let shown = page("").await.json();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 20);
    for limit in [json!(101), json!(-1), json!(1e12), json!("all")] {
        let body = json!({ "command": "history", "arguments": { "limit": limit } }).to_string();
        let call = Call::post("/api/v1/commands/execute", body).token(&token);
        let answer = world.send(call).await;
        assert_eq!(answer.status, 422, "{limit}: {}", answer.body);
    }
}

/// A template that shows the model this much, and lets people choose.
fn showing(size: Value) -> Value {
    let mut template = template();
    template["user_defaults"]["config"]["history_context_size"] = size;
    let editable = template["ui"]["editable_fields"].as_array_mut().unwrap();
    editable.push(json!("config.history_context_size"));
    template
}

#[tokio::test]
async fn t33_a_model_is_shown_a_hundred_messages_and_not_one_more() {
    let setup = Setup {
        model: ScriptedModel::new([Turn::new().text("Hi.")]),
        template: Some(showing(json!(100))),
        ..Setup::default()
    };
    let (world, token) = talkative(setup, 250).await;
    for size in [json!(101), json!(1e12), json!(-1), json!(2.5)] {
        let body = json!({ "content": "Hi", "config": { "history_context_size": size } });
        let answer = world.chat(&token, body).await;
        assert_eq!(answer.status, 422, "{size}: {}", answer.body);
    }
    let answer = world.chat(&token, json!({ "content": "Hi" })).await;
    assert_eq!(answer.status, 200);
    // The prompts, a hundred of the past, the question.
    let asked = world.model.requests();
    assert_eq!(asked[0].messages.len(), 102);
    // Nor can the template say more.
    let body = json!({ "document": showing(json!(101)), "expected_version": 1 });
    let call = Call::put("/api/v1/admin/template", body.to_string());
    let admin = world.admin().await;
    let answer = world.send_signed(&admin, call).await;
    assert_eq!(answer.code(), "422 invalid_template", "{}", answer.body);
}
