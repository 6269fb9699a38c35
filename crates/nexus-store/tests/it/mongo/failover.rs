//! A replica set of three loses members, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use mongodb::{Client, Database};
use nexus_core::audit::verify;
use nexus_core::{NonceId, Standing};
use nexus_store::{MongoOptions, MongoStore, Store, StoreError};
use tokio::time::{sleep, timeout};

use super::load::Load;
use crate::contract::changes::{Kept, noticed};
use crate::samples::{at, audit, counter, far, key, session};
use nexus_test_support::mongo::ReplicaSet;

/// How often a database that is coming back is asked.
const AGAIN: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_primary_steps_down() {
    let set = started(3).await;
    let store = connect(&set).await;
    let shell = Client::with_uri_str(set.uri()).await.unwrap();
    let shell = shell.database("faults");
    let load = Load::start(Arc::clone(&store)).await;
    for _ in 0..2 {
        let primary = set.member(set.primary().await).await;
        let step_down = doc! {"replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 4};
        primary.run_command(step_down).await.unwrap();
        println!("goes on after {:.1?}", load.goes_on().await);
    }
    // Changes of other nodes are seen through the new primary.
    change(&store, &shell).await;
    load.finish().await.check(deadline());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_primary_is_killed_and_comes_back() {
    let mut set = started(3).await;
    let store = connect(&set).await;
    let load = Load::start(Arc::clone(&store)).await;
    let killed = set.primary().await;
    set.kill(killed);
    println!("goes on after {:.1?}", load.goes_on().await);
    set.restart(killed);
    let member = set.member(killed).await;
    member.run_command(doc! {"ping": 1}).await.unwrap();
    load.goes_on().await;
    load.finish().await.check(deadline());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nothing_is_acknowledged_and_it_goes_on_when_there_is_one_again() {
    let mut set = started(3).await;
    let store = connect(&set).await;
    let load = Load::start(Arc::clone(&store)).await;
    let primary = set.primary().await;
    let others = [(primary + 1) % 3, (primary + 2) % 3];
    for member in others {
        set.kill(member);
    }
    load.is_refused().await;
    let stored = load.stored();
    // The member that is left may still answer that nothing is new, and it is right: without a
    // majority nobody can change anything.
    load.is_refused().await;
    assert_eq!(load.stored(), stored);
    for member in others {
        set.restart(member);
    }
    println!("goes on after {:.1?}", load.goes_on().await);
    load.finish().await.check(deadline());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_at_the_start_is_waited_for() {
    let mut set = ReplicaSet::new(1);
    let store = connect(&set).await;
    let refused = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StoreError::Unavailable { .. }),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("check that it runs"),
        "{refused}"
    );
    store.ping().await.unwrap_err();
    set.start().await;
    let ready = async {
        while store.ping().await.is_err() {
            sleep(AGAIN).await;
        }
    };
    timeout(Duration::from_secs(10), ready)
        .await
        .expect("within ten seconds");
    assert!(
        store
            .create_identity(key(1), Standing::Active, at(0))
            .await
            .unwrap()
            .is_new
    );
    Load::start(store).await.finish().await.check(deadline());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_stays_used_and_the_audit_whole_when_the_database_is_killed() {
    let mut set = started(1).await;
    let store = connect(&set).await;
    let nonce = NonceId::from_bytes([7; 32]);
    let counted = counter(1, None);
    assert!(store.use_nonce(nonce, far(0), far(5)).await.unwrap());
    let entry = store.append_audit(audit(key(1))).await.unwrap();
    store.add_to_counter(counted, 3, far(0)).await.unwrap();
    set.kill(0);
    set.restart(0);
    let back = async {
        while store.ping().await.is_err() {
            sleep(AGAIN).await;
        }
    };
    timeout(Duration::from_secs(20), back).await.expect("soon");
    // The member that came back is elected first.
    let used = async {
        loop {
            match store.use_nonce(nonce, far(0), far(5)).await {
                Err(StoreError::Unavailable { .. }) => sleep(AGAIN).await,
                outcome => return outcome.unwrap(),
            }
        }
    };
    assert!(!timeout(Duration::from_secs(20), used).await.expect("soon"));
    assert_eq!(store.audit_head().await.unwrap(), Some(entry.head()));
    let next = store.append_audit(audit(key(1))).await.unwrap();
    assert_eq!(verify([&entry, &next]), Ok(()));
    let total = store.add_to_counter(counted, 1, far(0)).await.unwrap();
    assert_eq!(total, 4);
}

pub(crate) async fn started(size: usize) -> ReplicaSet {
    let mut set = ReplicaSet::new(size);
    set.start().await;
    set
}

pub(crate) async fn connect(set: &ReplicaSet) -> Arc<dyn Store> {
    let store = MongoStore::connect(&set.uri(), "faults", MongoOptions::default()).await;
    Arc::new(store.unwrap())
}

pub(crate) fn deadline() -> Duration {
    MongoOptions::default().deadline
}

/// Makes a change as another node would, and waits until it is seen here.
pub(crate) async fn change(store: &Arc<dyn Store>, database: &Database) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let new = session(NEXT.fetch_add(1, Ordering::Relaxed), key(1));
    let sessions = database.collection::<Document>("sessions");
    let mut kept = Kept::new(store, new.digest);
    let read = async || store.session(new.digest).await.unwrap();
    store.create_session(new.clone()).await.unwrap();
    assert_eq!(kept.ask(read).await.as_ref(), Some(&new));
    let id = Binary {
        subtype: BinarySubtype::Generic,
        bytes: new.digest.as_bytes().to_vec(),
    };
    let deleted = sessions.delete_one(doc! {"_id": id}).await.unwrap();
    assert_eq!(deleted.deleted_count, 1);
    noticed(async || kept.ask(read).await.is_none()).await;
}
