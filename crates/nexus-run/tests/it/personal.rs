//! Changing what one person set, and signing in.

use chrono::TimeDelta;
use nexus_core::token::TokenKind;
use nexus_core::{Clock, Scope, Session, Token};
use nexus_llm::scripted::ScriptedModel;
use nexus_run::{RunError, personal};
use nexus_store::{IdentityStore, SessionStore};
use serde_json::json;

use crate::world::{ALICE, BOB, VISITOR, World};

#[tokio::test]
async fn a_write_is_refused_before_it_reaches_the_store() {
    let world = World::new(ScriptedModel::default()).await;
    let genesis = world.orchestrator.template.current().unwrap();
    let set = |key, field: &str, value| {
        let (store, genesis, field) =
            (world.store.clone(), genesis.clone(), field.parse().unwrap());
        async move { personal::set(&*store, &genesis, key, &field, &value).await }
    };
    assert!(matches!(
        set(ALICE, "prompts.system", json!("I am root")).await,
        Err(RunError::Refused(_))
    ));
    assert!(matches!(
        set(ALICE, "temperature", json!(9)).await,
        Err(RunError::Refused(_))
    ));
    assert_eq!(world.store.writes(), 0);
    assert!(matches!(
        set(VISITOR, "temperature", json!(1)).await,
        Err(RunError::NotAMember)
    ));
    let identity = set(ALICE, "temperature", json!(1)).await.unwrap();
    assert_eq!(
        personal::profile(&genesis, &identity).temperature.value,
        Some(1.0)
    );
    let identity = personal::unset(&*world.store, ALICE, &"temperature".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(
        personal::profile(&genesis, &identity).temperature.value,
        Some(0.8)
    );
}

#[tokio::test]
async fn writes_at_the_same_time_all_arrive() {
    let world = World::new(ScriptedModel::default()).await;
    tokio::join!(
        world.set(ALICE, "temperature", json!(0.2)),
        world.set(ALICE, "model", json!("wild")),
        world.set(ALICE, "prompts.persona", json!("Me.")),
        world.set(BOB, "temperature", json!(0.9)),
    );
    let alice = world
        .store
        .identity(ALICE)
        .await
        .unwrap()
        .unwrap()
        .overrides;
    assert_eq!(
        (alice.temperature, alice.model.as_deref()),
        (Some(0.2), Some("wild"))
    );
    assert_eq!(alice.prompts.len(), 1);
}

#[tokio::test]
async fn a_token_speaks_for_its_key_until_it_expires() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = Token::generate(TokenKind::Development).unwrap();
    assert_eq!(gate.authenticate(&token).await.unwrap(), None);
    let now = world.clock.now();
    let end = now + TimeDelta::days(30);
    let session = Session::new(token.digest(), ALICE, Scope::Admin, now, end);
    world.store.create_session(session.clone()).await.unwrap();
    assert_eq!(gate.authenticate(&token).await.unwrap(), Some(session));
    world.clock.advance(TimeDelta::days(30));
    assert_eq!(
        gate.authenticate(&token).await.unwrap(),
        None,
        "also when it is remembered"
    );
}

#[tokio::test]
async fn an_erased_identity_is_a_visitor_at_once() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    assert!(matches!(
        gate.admit(ALICE).await.unwrap(),
        nexus_core::Admission::Member(_)
    ));
    world.store.erase_identity(ALICE).await.unwrap();
    assert!(matches!(
        gate.admit(ALICE).await.unwrap(),
        nexus_core::Admission::Visitor
    ));
}
