//! T10: an API key reaches what its scopes say, and never a command.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use nexus_core::{ApiScope, Clock as _, CommandName};
use nexus_server::Access;
use nexus_store::{AuditStore as _, IdentityStore as _};
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Value, json};

use super::{guarded, places};
use crate::client::Call;
use crate::world::{Person, Setup, World};

#[tokio::test]
async fn t10_a_key_passes_the_doors_of_its_scopes_and_no_other() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let every: BTreeSet<_> = ApiScope::ALL.into_iter().collect();
    let mut sets = vec![every.clone(), BTreeSet::new()];
    for scope in ApiScope::ALL {
        sets.push(BTreeSet::from([scope]));
        sets.push(every.iter().copied().filter(|it| *it != scope).collect());
    }
    let mut client = world.client().await;
    for scopes in sets {
        let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let key = world
            .api_key(&alice, json!({ "name": "k", "scopes": names }))
            .await;
        for place in guarded() {
            let answer = client.send(place.call_with("{}").token(&key)).await;
            let is_refused = answer.status == 403;
            let may = matches!(place.access, Access::Scope(scope) if scopes.contains(&scope));
            assert_eq!(
                !is_refused, may,
                "{names:?} {} {}",
                place.method, place.path
            );
            if is_refused {
                assert_eq!(answer.code(), "403 insufficient_scope");
            } else {
                assert_ne!(answer.status, 401);
            }
        }
    }
    // Of all routes, these are all that a program can reach.
    let open = places().into_iter();
    let open = open.filter(|place| matches!(place.access, Access::Scope(_)));
    let open: Vec<_> = open
        .map(|place| format!("{} {} {:?}", place.method, place.route, place.access))
        .collect();
    assert_snapshot!(open.join("\n"), @"
    POST /api/v1/chat Scope(Chat)
    GET /api/v1/runs Scope(HistoryRead)
    POST /api/v1/runs/{run_id}/cancel Scope(Chat)
    GET /api/v1/messages Scope(HistoryRead)
    GET /api/v1/models Scope(ModelsRead)
    GET /api/v1/tools Scope(ProfileRead)
    GET /api/v1/profile Scope(ProfileRead)
    GET /api/v1/usage Scope(ProfileRead)
    POST /v1/chat/completions Scope(Chat)
    POST /v1/responses Scope(Chat)
    GET /v1/models Scope(ModelsRead)
    GET /v1/models/{*id} Scope(ModelsRead)
    ");
}

#[tokio::test]
async fn t10_no_key_executes_a_command_not_even_a_signed_one() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let scopes: Vec<_> = ApiScope::ALL.iter().map(|scope| scope.as_str()).collect();
    let key = world
        .api_key(&alice, json!({ "name": "k", "scopes": scopes }))
        .await;
    let before = world.store.identity(alice.address()).await.unwrap();
    let head = world.store.audit_head().await.unwrap();
    for name in CommandName::ALL {
        let call = Call::command(name.as_str(), &arguments(*name)).token(&key);
        for call in [call.clone(), call.signed(&alice.key, world.clock.now())] {
            assert_eq!(
                world.send(call).await.code(),
                "403 insufficient_scope",
                "{name}"
            );
        }
    }
    for place in guarded().iter().filter(|place| place.is_unsafe()) {
        if matches!(place.access, Access::Scope(_)) {
            continue;
        }
        let call = place
            .call()
            .token(&key)
            .signed(&alice.key, world.clock.now());
        assert_eq!(
            world.send(call).await.code(),
            "403 insufficient_scope",
            "{}",
            place.path
        );
    }
    assert_eq!(world.store.identity(alice.address()).await.unwrap(), before);
    assert_eq!(world.store.audit_head().await.unwrap(), head);
}

/// Arguments with which a command would do something.
pub(super) fn arguments(name: CommandName) -> Value {
    use CommandName as C;
    match name {
        C::ConfigSet => json!({ "field": "temperature", "value": 0.3 }),
        C::ConfigUnset => json!({ "field": "temperature" }),
        C::PromptSet => json!({ "name": "persona", "content": "Me." }),
        C::PromptUnset => json!({ "name": "persona" }),
        C::TimeZoneSet => json!({ "value": "Europe/Berlin" }),
        C::KeyCreate => json!({ "name": "new" }),
        C::KeyRevoke => json!({ "id": super::NO_KEY }),
        C::SessionRevoke => json!({ "id": super::NO_SESSION }),
        _ => json!({}),
    }
}

async fn ask(world: &World, key: &str, config: Value) -> String {
    let answer = world
        .chat(key, json!({ "content": "Hi", "config": config }))
        .await;
    if answer.status == 200 {
        format!("200 {}", answer.header("x-nexus-model"))
    } else {
        answer.code()
    }
}

#[tokio::test]
async fn t10_a_key_for_some_models_asks_no_other_by_any_name() {
    let world = World::begin(Setup {
        model: ScriptedModel::new((0..20).map(|_| Turn::new().text("Hi."))),
        ..Setup::default()
    })
    .await;
    let alice = world.member(1).await;
    let calm = json!({ "name": "calm", "models": ["Calm"] });
    let calm = world.api_key(&alice, calm).await;
    let wild = json!({ "name": "wild", "models": ["wild-1"] });
    let wild = world.api_key(&alice, wild).await;
    let refused = "422 model_not_allowed";
    let asks = [
        (&calm, json!({}), "200 calm"),
        (&calm, json!({ "model": "calm" }), "200 calm"),
        (&calm, json!({ "model": "Calm" }), "200 calm"),
        (&calm, json!({ "model": "calm-1" }), "200 calm"),
        (&calm, json!({ "model": "wild" }), refused),
        (&calm, json!({ "model": "wild-1" }), refused),
        // The default is another model: it is not asked, and nothing else is in its place.
        (&wild, json!({}), refused),
        (&wild, json!({ "model": "Calm" }), refused),
        (&wild, json!({ "model": "wild" }), "200 wild"),
    ];
    for (key, config, expected) in asks {
        assert_eq!(ask(&world, key, config.clone()).await, expected, "{config}");
    }
    // Nor by what its owner has chosen.
    world.set(alice.address(), "model", json!("wild")).await;
    assert_eq!(ask(&world, &calm, json!({})).await, refused);
    assert_eq!(ask(&world, &wild, json!({})).await, "200 wild");
    let asked = world.model.requests();
    assert_eq!(asked.len(), 6);
    assert_eq!(world.stored(alice.address()).await.len(), 12);

    for models in [json!(["gpt-9"]), json!([]), json!("calm"), json!([{}])] {
        let made = world.execute(
            &alice,
            "key.create",
            json!({ "name": "k", "models": models }),
        );
        assert_eq!(made.await.status, 422, "{models}");
    }
}

#[tokio::test]
async fn t10_a_key_is_shown_once_and_asks_for_no_more_than_there_is() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let key = world.api_key(&alice, json!({ "name": "laptop" })).await;
    let listed = world
        .send(Call::get("/api/v1/keys").token(&alice.token))
        .await;
    assert_eq!(listed.json()["data"][0]["name"], "laptop");
    assert_eq!(
        listed.json()["data"][0]["scopes"],
        json!(["chat", "models.read"])
    );
    assert!(!listed.body.contains(&key[17..]) && !listed.body.contains("digest"));
    for arguments in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "a\nb" }),
        json!({ "name": "k", "scopes": ["config.write"] }),
        json!({ "name": "k", "scopes": ["admin"] }),
        json!({ "name": "k", "scopes": "chat" }),
        json!({ "name": "k", "days": 0 }),
        json!({ "name": "k", "days": 366 }),
        json!({ "name": "k", "days": 1e12 }),
        json!({ "name": "k", "days": -1 }),
        json!({ "name": "k", "owner_key": alice.address() }),
        json!({ "name": "k", "digest": "00" }),
    ] {
        let refused = world.execute(&alice, "key.create", arguments.clone()).await;
        assert_eq!(refused.status, 422, "{arguments}: {}", refused.body);
    }
    last_used(&world, &alice, &key).await;
}

/// A use is noted.
async fn last_used(world: &World, person: &Person, key: &str) {
    assert_eq!(
        world
            .send(Call::get("/api/v1/models").token(key))
            .await
            .status,
        200
    );
    let keys = Call::get("/api/v1/keys").token(&person.token);
    let keys = world.send(keys).await.json()["data"].take();
    assert_eq!(keys.as_array().unwrap().len(), 1);
    assert_eq!(keys[0]["last_used_at"], json!(world.clock.now()));
}

#[tokio::test]
async fn t10_a_key_that_may_not_read_the_profile_is_not_told_it_by_a_header() {
    let turns = ["a", "b", "c"].map(|text| Turn::new().text(text));
    let world = World::new(ScriptedModel::new(turns)).await;
    let alice = world.member(1).await;
    for (route, body) in [
        ("/api/v1/chat", json!({ "content": "Hi" })),
        (
            "/v1/chat/completions",
            json!({ "messages": [{ "role": "user", "content": "Hi" }] }),
        ),
        ("/v1/responses", json!({ "input": "Hi" })),
    ] {
        for (scopes, is_told) in [(vec!["chat"], false), (vec!["chat", "profile.read"], true)] {
            let key = json!({ "name": "k", "scopes": scopes });
            let key = world.api_key(&alice, key).await;
            let call = Call::post(route, body.to_string()).header("x-nexus-explain", "1");
            let answer = world.send(call.token(&key)).await;
            assert_eq!(answer.status == 200, is_told, "{}", answer.body);
            assert_eq!(
                answer.body.contains("You are Nexus."),
                is_told,
                "{}",
                answer.body
            );
        }
    }
}
