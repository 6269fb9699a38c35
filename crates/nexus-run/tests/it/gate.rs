//! What the gate remembers: no read that is not needed, and no answer that is too old.

use std::time::Duration;

use nexus_core::token::TokenKind;
use nexus_core::{Admission, Clock, Field, Identity, PublicKey, Scope, Session, Token};
use nexus_llm::scripted::ScriptedModel;
use nexus_run::{Gate, personal};
use nexus_store::{EmbeddedStore, IdentityStore, SessionStore, Store};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::world::{ALICE, BOB, World};

/// A machine that has nothing else to do needs a second at most.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_member_costs_no_read_while_others_change_all_the_time() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = sign_in(&world, ALICE).await;
    let reads = || (world.store.identity_reads(), world.store.session_reads());
    // Should the store have stopped vouching for a moment, it is tried again.
    eventually(async || {
        gate.admit(ALICE).await.unwrap();
        gate.authenticate(&token).await.unwrap().unwrap();
        let before = reads();
        sign_in(&world, BOB).await;
        world.set(BOB, "config.temperature", json!(0.5)).await;
        world.store.erase_identity(BOB).await.unwrap();
        let now = world.clock.now();
        world.store.create_identity(BOB, now).await.unwrap();
        let caused = reads().0 - before.0;
        gate.admit(ALICE).await.unwrap();
        gate.authenticate(&token).await.unwrap().unwrap();
        reads() == (before.0 + caused, before.1)
    })
    .await;
}

#[tokio::test]
async fn what_is_changed_here_is_seen_by_the_next_request() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = sign_in(&world, ALICE).await;
    for number in 1..=20 {
        gate.authenticate(&token).await.unwrap().unwrap();
        let temperature = f64::from(number) / 20.0;
        world
            .set(ALICE, "config.temperature", json!(temperature))
            .await;
        assert_eq!(temperature_of(gate, ALICE).await, Some(json!(temperature)));
    }
    world.store.erase_identity(ALICE).await.unwrap();
    assert!(gate.authenticate(&token).await.unwrap().is_none());
    assert!(member(gate, ALICE).await.is_none());
}

#[tokio::test]
async fn what_another_process_changes_is_seen_soon() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = sign_in(&world, ALICE).await;
    gate.authenticate(&token).await.unwrap().unwrap();
    gate.admit(ALICE).await.unwrap();
    let other = EmbeddedStore::open(world.folder.path()).unwrap();
    let genesis = world.orchestrator.template.current().unwrap();
    let field: Field = "config.temperature".parse().unwrap();
    personal::set(&other, &genesis, ALICE, &field, &json!(0.25))
        .await
        .unwrap();
    eventually(async || temperature_of(gate, ALICE).await == Some(json!(0.25))).await;
    other.erase_identity(ALICE).await.unwrap();
    eventually(async || gate.authenticate(&token).await.unwrap().is_none()).await;
    eventually(async || member(gate, ALICE).await.is_none()).await;
}

#[tokio::test]
async fn nothing_is_answered_from_memory_while_changes_are_not_heard() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = sign_in(&world, ALICE).await;
    gate.authenticate(&token).await.unwrap().unwrap();
    gate.admit(ALICE).await.unwrap();
    let shell = Connection::open(world.folder.path().join("nexus.db")).unwrap();
    let hide = "ALTER TABLE generations RENAME TO hidden";
    shell.execute_batch(hide).unwrap();
    let freshness = world.store.freshness();
    eventually(async || !freshness.holds(ALICE, freshness.as_of())).await;
    for _ in 0..10 {
        let before = (world.store.identity_reads(), world.store.session_reads());
        gate.admit(ALICE).await.unwrap();
        gate.authenticate(&token).await.unwrap().unwrap();
        let after = (world.store.identity_reads(), world.store.session_reads());
        assert_eq!(after, (before.0 + 1, before.1 + 1));
    }
}

async fn sign_in(world: &World, owner_key: PublicKey) -> Token {
    let token = Token::generate(TokenKind::Development).unwrap();
    let now = world.clock.now();
    let session = Session {
        digest: token.digest(),
        owner_key,
        scope: Scope::Personal,
        created_at: now,
        expires_at: now + Duration::from_hours(1),
    };
    world.store.create_session(session).await.unwrap();
    token
}

async fn member(gate: &Gate, key: PublicKey) -> Option<Identity> {
    match gate.admit(key).await.unwrap() {
        Admission::Member(identity) => Some((*identity).clone()),
        Admission::Visitor => None,
    }
}

async fn temperature_of(gate: &Gate, key: PublicKey) -> Option<Value> {
    let identity = member(gate, key).await?;
    let field: Field = "config.temperature".parse().unwrap();
    identity.overrides.get(&field)
}

async fn eventually(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}
