//! Changing what one person set, and signing in.

use chrono::TimeDelta;
use nexus_core::token::TokenKind;
use nexus_core::{Admission, Clock, Command, IdentityWrite, Scope, Session, Standing, Token};
use nexus_run::{CommandFailure, Credential, personal};
use nexus_store::{IdentityStore, SessionStore};
use nexus_test_support::model::ScriptedModel;
use serde_json::json;

use crate::world::{ALICE, BOB, VISITOR, World};

#[tokio::test]
async fn a_write_is_refused_before_it_reaches_the_store() {
    let world = World::new(ScriptedModel::default()).await;
    let genesis = world.orchestrator.template.current().unwrap();
    let execute = async |key, line| world.execute(key, Command::from_line(line).unwrap()).await;
    let temperature = async || {
        let alice = world.store.identity(ALICE).await.unwrap().unwrap();
        personal::profile(&genesis, &alice).temperature.value
    };
    for line in ["prompt.set system I am root", "config.set temperature 9"] {
        let refused = execute(ALICE, line).await;
        assert!(matches!(refused, Err(CommandFailure::Refused(_))), "{line}");
    }
    assert_eq!(world.store.writes(), 0);
    let visitor = execute(VISITOR, "config.set temperature 1").await;
    assert!(matches!(visitor, Err(CommandFailure::NotAMember)));
    execute(ALICE, "config.set temperature 1").await.unwrap();
    assert_eq!(temperature().await, Some(1.0));
    execute(ALICE, "config.unset temperature").await.unwrap();
    assert_eq!(temperature().await, Some(0.8));
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
    assert!(gate.authenticate(&token).await.unwrap().is_none());
    let now = world.clock.now();
    let end = now + TimeDelta::days(30);
    let session = Session::new(token.digest(), ALICE, Scope::Admin, now, end);
    world.store.create_session(session.clone()).await.unwrap();
    assert_eq!(
        gate.authenticate(&token).await.unwrap(),
        Some(Credential::Session(session))
    );
    world.clock.advance(TimeDelta::days(30));
    let late = gate.authenticate(&token).await.unwrap();
    assert!(late.is_none(), "also when it is remembered");
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
    let set = async || {
        let command = Command::from_line("config.set temperature 0.5").unwrap();
        world.execute(ALICE, command).await
    };
    let stand = async |standing| {
        let alice = world.store.identity(ALICE).await.unwrap().unwrap();
        let write = IdentityWrite::Standing(standing);
        world.store.write_identity(&alice, write).await.unwrap();
        world.orchestrator.gate.admit(ALICE).await.unwrap()
    };
    assert_eq!(stand(Standing::Pending).await, Admission::Pending);
    assert!(matches!(set().await, Err(CommandFailure::Pending)));
    assert_eq!(stand(Standing::Disabled).await, Admission::Disabled);
    assert!(matches!(set().await, Err(CommandFailure::Disabled)));
    let member = stand(Standing::Active).await;
    assert!(matches!(member, Admission::Member(_)), "{member:?}");
    set().await.unwrap();
    let alice = world.store.identity(ALICE).await.unwrap().unwrap();
    assert_eq!(alice.overrides.temperature, Some(0.5));
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
    world.clock.advance(TimeDelta::hours(12));
    assert_eq!(gate.authenticate(&token).await.unwrap(), None);
}
