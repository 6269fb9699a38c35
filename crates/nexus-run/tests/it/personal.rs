//! Changing what one person set, and signing in.

use chrono::TimeDelta;
use nexus_core::token::TokenKind;
use nexus_core::{Admission, Clock, IdentityWrite, Scope, Session, Standing, Token};
use nexus_llm::scripted::ScriptedModel;
use nexus_run::{Credential, RunError, personal};
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
    assert_eq!(
        gate.authenticate(&token).await.unwrap(),
        Some(Credential::Session(session))
    );
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

#[tokio::test]
async fn who_waits_or_is_locked_out_changes_nothing_and_is_let_in_by_the_next_request() {
    let world = World::new(ScriptedModel::default()).await;
    let genesis = world.orchestrator.template.current().unwrap();
    let field = "temperature".parse().unwrap();
    let set = async || {
        let value = json!(0.5);
        let set = personal::set(&*world.store, &genesis, ALICE, &field, &value).await;
        set.map(|identity| identity.overrides.temperature)
    };
    let stand = async |standing| {
        let alice = world.store.identity(ALICE).await.unwrap().unwrap();
        let write = IdentityWrite::Standing(standing);
        world.store.write_identity(&alice, write).await.unwrap();
        world.orchestrator.gate.admit(ALICE).await.unwrap()
    };
    assert_eq!(stand(Standing::Pending).await, Admission::Pending);
    assert!(matches!(set().await, Err(RunError::Pending)));
    assert_eq!(stand(Standing::Disabled).await, Admission::Disabled);
    assert!(matches!(set().await, Err(RunError::Disabled)));
    let member = stand(Standing::Active).await;
    assert!(matches!(member, Admission::Member(_)), "{member:?}");
    assert_eq!(set().await.unwrap(), Some(0.5));
}

#[tokio::test]
async fn a_session_that_another_node_saw_used_is_not_idle() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = Token::generate(TokenKind::Development).unwrap();
    let now = world.clock.now();
    let session = Session {
        idle: Some(TimeDelta::hours(12)),
        ..Session::new(
            token.digest(),
            ALICE,
            Scope::Personal,
            now,
            now + TimeDelta::days(30),
        )
    };
    world.store.create_session(session).await.unwrap();
    assert!(gate.authenticate(&token).await.unwrap().is_some());
    world.clock.advance(TimeDelta::hours(11));
    let used = world.store.touch_session(token.digest(), world.clock.now());
    used.await.unwrap();
    world.clock.advance(TimeDelta::hours(11));
    assert!(gate.authenticate(&token).await.unwrap().is_some());
    world.clock.advance(TimeDelta::hours(11));
    assert!(gate.authenticate(&token).await.unwrap().is_some());
    world.clock.advance(TimeDelta::hours(12));
    assert_eq!(gate.authenticate(&token).await.unwrap(), None);
}
