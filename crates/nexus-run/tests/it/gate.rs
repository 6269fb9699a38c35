//! What the gate remembers: no read that is not needed, and no answer that is too old.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use nexus_core::token::TokenKind;
use nexus_core::{
    Admission, ApiKey, ApiScope, Clock, Field, IdentityWrite, Label, Member, Overrides, PublicKey,
    Scope, Session, Standing, Token,
};
use nexus_run::{Credential, Gate};
use nexus_store::{ApiKeyStore, EmbeddedStore, IdentityStore, SessionStore};
use nexus_test_support::model::ScriptedModel;
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
    let tokens = [sign_in(&world, ALICE).await, make_key(&world, ALICE).await];
    // Slots are few: should two subjects share one, it is tried again.
    eventually(async || {
        let ask = async || {
            gate.admit(ALICE).await.unwrap();
            for token in &tokens {
                let credential = gate.authenticate(token).await.unwrap().unwrap();
                assert!(gate.still_accepts(&credential).await.unwrap());
            }
        };
        ask().await;
        sign_in(&world, BOB).await;
        make_key(&world, BOB).await;
        world.store.revoke_sessions(BOB, None).await.unwrap();
        world.set(BOB, "config.temperature", json!(0.5)).await;
        stand(&world, BOB, Standing::Disabled).await;
        world.store.erase_identity(BOB).await.unwrap();
        let now = world.clock.now();
        let again = world.store.create_identity(BOB, Standing::Active, now);
        again.await.unwrap();
        let before = reads(&world);
        ask().await;
        reads(&world) == before
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
async fn what_is_revoked_here_is_refused_by_the_next_request_and_on_open_streams() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let tokens = [sign_in(&world, ALICE).await, make_key(&world, ALICE).await];
    let mut shown = Vec::new();
    for token in &tokens {
        shown.push(gate.authenticate(token).await.unwrap().unwrap());
    }
    let now = world.clock.now();
    for credential in &shown {
        assert!(gate.still_accepts(credential).await.unwrap());
        let is_revoked = match credential {
            Credential::Session(session) => world.store.revoke_session(ALICE, session.id()).await,
            Credential::ApiKey(key) => world.store.revoke_api_key(ALICE, key.id, now).await,
        };
        assert!(is_revoked.unwrap());
        assert!(!gate.still_accepts(credential).await.unwrap());
    }
    for token in &tokens {
        assert_eq!(gate.authenticate(token).await.unwrap(), None);
    }
}

#[tokio::test]
async fn who_is_locked_out_is_refused_on_open_streams() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = sign_in(&world, ALICE).await;
    let credential = gate.authenticate(&token).await.unwrap().unwrap();
    assert!(gate.still_accepts(&credential).await.unwrap());
    stand(&world, ALICE, Standing::Disabled).await;
    assert!(!gate.still_accepts(&credential).await.unwrap());
}

#[tokio::test]
async fn an_api_key_in_memory_needs_its_secret_too() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = make_key(&world, ALICE).await;
    let id = token.api_key_id().unwrap();
    let right = world.store.api_key(id).await.unwrap().unwrap();
    gate.authenticate(&token).await.unwrap().unwrap();
    let guessed = ApiKey {
        digest: Token::generate(TokenKind::ApiKey).unwrap().digest(),
        ..right
    };
    let guessed = Credential::ApiKey(Arc::new(guessed));
    assert!(!gate.still_accepts(&guessed).await.unwrap());
    assert!(gate.authenticate(&token).await.unwrap().is_some());
}

#[tokio::test]
async fn that_something_is_used_is_noted_without_reading_it_again() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let tokens = [sign_in(&world, ALICE).await, make_key(&world, ALICE).await];
    for token in &tokens {
        gate.authenticate(token).await.unwrap().unwrap();
    }
    eventually(async || {
        let before = reads(&world);
        world.clock.advance(TimeDelta::minutes(6));
        for token in &tokens {
            gate.authenticate(token).await.unwrap().unwrap();
        }
        reads(&world) == before
    })
    .await;
    let now = world.clock.now();
    let sessions = world.store.sessions(ALICE).await.unwrap();
    assert_eq!(sessions[0].last_seen_at, now);
    let api_keys = world.store.api_keys(ALICE).await.unwrap();
    assert_eq!(api_keys[0].last_used_at, Some(now));
}

#[tokio::test]
async fn what_another_process_changes_is_seen_by_the_very_next_request() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = sign_in(&world, ALICE).await;
    gate.authenticate(&token).await.unwrap().unwrap();
    gate.admit(ALICE).await.unwrap();
    let other = EmbeddedStore::open(world.folder.path()).unwrap();
    let genesis = world.orchestrator.template.current().unwrap();
    let field: Field = "config.temperature".parse().unwrap();
    let write = Overrides::set(&genesis, &field, &json!(0.25)).unwrap();
    let identity = other.identity(ALICE).await.unwrap().unwrap();
    other.write_override(&identity, &write).await.unwrap();
    assert_eq!(temperature_of(gate, ALICE).await, Some(json!(0.25)));
    other.erase_identity(ALICE).await.unwrap();
    assert!(gate.authenticate(&token).await.unwrap().is_none());
    assert!(member(gate, ALICE).await.is_none());
}

#[tokio::test]
async fn nothing_is_answered_from_memory_while_changes_cannot_be_looked_for() {
    let world = World::new(ScriptedModel::default()).await;
    let gate = &world.orchestrator.gate;
    let token = sign_in(&world, ALICE).await;
    let api_key = make_key(&world, ALICE).await;
    gate.authenticate(&token).await.unwrap().unwrap();
    gate.authenticate(&api_key).await.unwrap().unwrap();
    gate.admit(ALICE).await.unwrap();
    let shell = Connection::open(world.folder.path().join("nexus.db")).unwrap();
    let hide = "ALTER TABLE generations RENAME TO hidden";
    shell.execute_batch(hide).unwrap();
    for _ in 0..10 {
        let before = reads(&world);
        gate.admit(ALICE).await.unwrap();
        gate.authenticate(&token).await.unwrap().unwrap();
        gate.authenticate(&api_key).await.unwrap().unwrap();
        assert_eq!(reads(&world), before.map(|number| number + 1));
    }
}

/// How often the store was asked for identities, sessions and API keys.
fn reads(world: &World) -> [usize; 3] {
    let store = &world.store;
    [
        store.identity_reads(),
        store.session_reads(),
        store.api_key_reads(),
    ]
}

async fn sign_in(world: &World, owner_key: PublicKey) -> Token {
    let token = Token::generate(TokenKind::Development).unwrap();
    let now = world.clock.now();
    let end = now + TimeDelta::hours(1);
    let session = Session::new(token.digest(), owner_key, Scope::Personal, now, end);
    world.store.create_session(session).await.unwrap();
    token
}

async fn make_key(world: &World, owner_key: PublicKey) -> Token {
    let token = Token::generate(TokenKind::ApiKey).unwrap();
    let owner = world.store.identity(owner_key).await.unwrap().unwrap();
    let now = world.clock.now();
    let key = ApiKey {
        id: token.api_key_id().unwrap(),
        digest: token.digest(),
        owner_key,
        name: Label::cut("a program"),
        scopes: [ApiScope::Chat].into_iter().collect(),
        models: None,
        created_at: now,
        expires_at: now + TimeDelta::hours(1),
        last_used_at: None,
        revoked_at: None,
    };
    world.store.create_api_key(&owner, key).await.unwrap();
    token
}

async fn stand(world: &World, key: PublicKey, standing: Standing) {
    let identity = world.store.identity(key).await.unwrap().unwrap();
    let write = IdentityWrite::Standing(standing);
    world.store.write_identity(&identity, write).await.unwrap();
}

async fn member(gate: &Gate, key: PublicKey) -> Option<Member> {
    match gate.admit(key).await.unwrap() {
        Admission::Member(member) => Some(member),
        _ => None,
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
