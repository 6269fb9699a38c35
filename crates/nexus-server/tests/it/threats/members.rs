//! T11: what belongs to somebody else is not there.

use http::Method;
use nexus_core::Token;
use nexus_server::Access;
use nexus_store::{ApiKeyStore as _, AuditStore as _, SessionStore as _};
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::json;

use super::{guarded, places};
use crate::client::Call;
use crate::world::{Setup, World};

#[tokio::test]
async fn t11_every_id_of_somebody_else_is_not_there_and_nothing_changes() {
    let world = World::begin(Setup::default()).await;
    let (alice, bob) = (world.member(1).await, world.member(2).await);
    let key = world.api_key(&bob, json!({ "name": "bob's" })).await;
    let key = Token::parse(&key)
        .unwrap()
        .api_key_id()
        .unwrap()
        .to_string();
    let sessions = world.store.sessions(bob.address()).await.unwrap();
    let keys = world.store.api_keys(bob.address()).await.unwrap();
    let head = world.store.audit_head().await.unwrap();
    let routes: Vec<_> = places()
        .into_iter()
        .filter(|place| place.route.contains("{id}") && place.access != Access::Admin)
        .collect();
    assert_eq!(routes.len(), 2);
    for place in &routes {
        let id = if place.route.contains("/keys/") {
            key.clone()
        } else {
            sessions[0].id().to_string()
        };
        let path = place.route.replace("{id}", &id);
        let answer = world
            .send_signed(&alice, Call::new(&place.method, &path))
            .await;
        assert_eq!(answer.code(), "404 not_found", "{path}");
    }
    for (command, id) in [
        ("key.revoke", key),
        ("session.revoke", sessions[0].id().to_string()),
    ] {
        let answer = world.execute(&alice, command, json!({ "id": id })).await;
        assert_eq!(answer.code(), "404 not_found", "{command}");
    }
    assert_eq!(world.store.sessions(bob.address()).await.unwrap(), sessions);
    assert_eq!(world.store.api_keys(bob.address()).await.unwrap(), keys);
    // What was not done is not on record as done.
    assert_eq!(world.store.audit_head().await.unwrap(), head);
}

#[tokio::test]
async fn t11_a_cursor_of_somebody_else_leads_to_ones_own_messages() {
    let world = World::begin(Setup {
        model: ScriptedModel::new((0..4).map(|_| Turn::new().text("An answer."))),
        ..Setup::default()
    })
    .await;
    let (alice, bob) = (world.member(1).await, world.member(2).await);
    for (person, text) in [(&alice, "from alice"), (&bob, "from bob")] {
        for _ in 0..2 {
            let asked = world.chat(&person.token, json!({ "content": text })).await;
            assert_eq!(asked.status, 200);
        }
    }
    let page = |query: String, token: &str| {
        let call = Call::get(&format!("/api/v1/messages?{query}")).token(token);
        world.send(call)
    };
    let first = page("limit=1".to_owned(), &bob.token).await;
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let seen = page(format!("limit=100&cursor={cursor}"), &alice.token).await;
    assert_eq!(seen.json()["messages"].as_array().unwrap().len(), 4);
    assert!(!seen.body.contains("from bob"));
    let history = world.execute(&alice, "history", json!({})).await;
    assert!(history.body.contains("from alice") && !history.body.contains("from bob"));
}

#[tokio::test]
async fn t11_whom_a_request_is_about_is_not_said_in_its_body() {
    let world = World::begin(Setup::default()).await;
    let (alice, bob) = (world.member(1).await, world.member(2).await);
    let head = world.store.audit_head().await.unwrap();
    for name in ["user", "owner_key", "public_key", "role", "__proto__"] {
        let body = json!({ (name): bob.address() }).to_string();
        for place in guarded() {
            // Signing out reads no body, and administrators have no subject.
            let is_out = place.route == "/api/v1/auth/session";
            // Programs of OpenAI's protocol send `user`, which nobody reads: see t13.
            let is_programs = place.route.starts_with("/v1/");
            if !place.is_unsafe() || is_out || is_programs || place.access == Access::Admin {
                continue;
            }
            let answer = world
                .send_signed(&alice, place.call_with(body.clone()))
                .await;
            let what = format!("{name} {} {}", place.method, place.path);
            assert_eq!(
                answer.code(),
                "422 unknown_field",
                "{what}: {}",
                answer.body
            );
        }
        for (route, body) in [
            (
                "commands/execute",
                json!({ "command": "ping", (name): bob.address() }),
            ),
            (
                "commands/execute",
                json!({ "command": "identity.delete", "arguments": { (name): bob.address() } }),
            ),
            ("chat", json!({ "content": "Hi", (name): bob.address() })),
            (
                "chat",
                json!({ "content": "Hi", "config": { (name): bob.address() } }),
            ),
            ("keys", json!({ "name": "k", (name): bob.address() })),
        ] {
            let call = Call::json(&Method::POST, &format!("/api/v1/{route}"), body.to_string());
            let answer = world.send_signed(&alice, call).await;
            assert_eq!(answer.code(), "422 unknown_field", "{route} {body}");
        }
        let query = format!("/api/v1/messages?{name}={}", bob.address());
        let answer = world.send(Call::get(&query).token(&alice.token)).await;
        assert_eq!(answer.code(), "422 invalid_query");
    }
    assert_eq!(world.store.audit_head().await.unwrap(), head);
}
