//! What the gate remembers, and that it forgets in time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use chrono::{DateTime, TimeDelta};
use nexus_core::clock::ManualClock;
use nexus_core::token::TokenKind;
use nexus_core::{ApiKey, ApiScope, Clock as _, Label, Scope, Session, Standing, Token};
use nexus_run::Gate;
use nexus_store::{
    ApiKeyStore as _, EmbeddedStore, IdentityStore as _, SessionStore as _, StoreError,
};
use tempfile::TempDir;
use tokio::task::{JoinSet, spawn_blocking};

use crate::world::{ALICE, Observed, Observer};

/// Counts what is read, and can hold the note about a use.
#[derive(Default)]
struct Watch {
    reads: AtomicU32,
    hold: Mutex<Option<Hold>>,
}

struct Hold {
    reached: mpsc::Sender<()>,
    opened: mpsc::Receiver<()>,
}

impl Observer for Watch {
    fn before(&self, call: &'static str) -> Result<(), StoreError> {
        if matches!(call, "session" | "api_key") {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        if call == "touch_session"
            && let Some(hold) = self.hold.lock().unwrap().take()
        {
            hold.reached.send(()).unwrap();
            hold.opened.recv().unwrap();
        }
        Ok(())
    }
}

async fn store() -> (Arc<Observed<Watch>>, Arc<ManualClock>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path()).unwrap();
    let store = Arc::new(Observed::new(store, Watch::default()));
    let start = DateTime::from_timestamp_millis(1_760_000_000_000).unwrap();
    let created = store.create_identity(ALICE, Standing::Active, start);
    created.await.unwrap();
    (store, Arc::new(ManualClock::new(start)), folder)
}

fn api_key(token: &Token, clock: &ManualClock) -> ApiKey {
    let now = clock.now();
    ApiKey {
        id: token.api_key_id().unwrap(),
        digest: token.digest(),
        owner_key: ALICE,
        name: Label::cut("laptop"),
        scopes: [ApiScope::Chat].into_iter().collect(),
        models: None,
        created_at: now,
        expires_at: now + TimeDelta::days(1),
        last_used_at: None,
        revoked_at: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_revoked_while_its_use_is_noted_is_not_remembered() {
    let (store, clock, _folder) = store().await;
    let gate = Arc::new(Gate::new(store.clone(), clock.clone()));
    let token = Token::generate(TokenKind::Session).unwrap();
    let now = clock.now();
    let end = now + TimeDelta::days(1);
    let session = Session::new(token.digest(), ALICE, Scope::Personal, now, end);
    let id = session.id();
    store.create_session(session).await.unwrap();
    clock.advance(TimeDelta::hours(1));

    let (reached, is_reached) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    *store.hold.lock().unwrap() = Some(Hold { reached, opened });
    // A task of its own: it blocks its thread for a while.
    let mut first = JoinSet::new();
    let (same_gate, same_token) = (Arc::clone(&gate), token.clone());
    first.spawn(async move { same_gate.authenticate(&same_token).await.unwrap() });
    let wait = spawn_blocking(move || is_reached.recv().unwrap());
    wait.await.unwrap();
    assert!(store.revoke_session(ALICE, id).await.unwrap());
    open.send(()).unwrap();
    let first = first.join_next().await.unwrap().unwrap();
    assert!(first.is_some(), "it was valid when it was read");
    assert_eq!(gate.authenticate(&token).await.unwrap(), None);
}

#[tokio::test]
async fn an_api_key_is_read_once_as_long_as_nothing_changes() {
    let (store, clock, _folder) = store().await;
    let gate = Gate::new(store.clone(), clock.clone());
    let token = Token::generate(TokenKind::ApiKey).unwrap();
    let key = api_key(&token, &clock);
    let id = key.id;
    let alice = store.identity(ALICE).await.unwrap().unwrap();
    store.create_api_key(&alice, key).await.unwrap();
    let reads = || store.reads.load(Ordering::SeqCst);
    for _ in 0..3 {
        assert!(gate.authenticate(&token).await.unwrap().is_some());
        assert_eq!(reads(), 1);
    }
    assert!(store.revoke_api_key(ALICE, id, clock.now()).await.unwrap());
    assert!(gate.authenticate(&token).await.unwrap().is_none());
}

#[tokio::test]
async fn the_public_part_of_a_key_is_not_enough() {
    let (store, clock, _folder) = store().await;
    let gate = Gate::new(store.clone(), clock.clone());
    let presented = Token::generate(TokenKind::ApiKey).unwrap();
    let other = Token::generate(TokenKind::ApiKey).unwrap();
    let key = ApiKey {
        id: presented.api_key_id().unwrap(),
        ..api_key(&other, &clock)
    };
    let alice = store.identity(ALICE).await.unwrap().unwrap();
    store.create_api_key(&alice, key).await.unwrap();
    assert!(gate.authenticate(&presented).await.unwrap().is_none());
    assert!(gate.authenticate(&other).await.unwrap().is_none());
}
