//! Leases with a real server: what they prove, and what they cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mongodb::bson::{DateTime, Document, doc};
use nexus_core::{Environment, Standing};
use nexus_store::{MongoOptions, Purpose};
use tokio::time::{Instant, sleep, timeout};

use super::Mongo;
use super::failover::change;
use super::load::Load;
use crate::contract::Place;
use crate::contract::changes::{Kept, leased, noticed};
use crate::samples::{api_key, at, key, session, template};

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_another_node_are_seen_within_a_second_under_load() {
    let place = Mongo::shared().await;
    let store = place.open().await;
    let shell = place.shell().await;
    let load = Load::start(Arc::clone(&store)).await;
    for _ in 0..5 {
        let since = Instant::now();
        change(&store, &shell).await;
        println!("seen after {:.1?}", since.elapsed());
    }
    load.finish().await.check(MongoOptions::default().deadline);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lease_nothing_is_kept_and_nobody_is_answered() {
    let place = Mongo::alone().await;
    let store = place.open().await;
    let created = store.create_identity(key(1), Standing::Active, at(0)).await;
    let owner = created.unwrap().identity;
    let opened = session(1, key(1));
    store.create_session(opened.clone()).await.unwrap();
    let program = api_key(1, key(1));
    store.create_api_key(&owner, program.clone()).await.unwrap();
    let before = leased(&store).await;
    for failure in [
        doc! {"errorCode": 13},
        doc! {"closeConnection": true},
        doc! {"writeConcernError": {"code": 64, "errmsg": "waiting for replication"}},
    ] {
        // Only the write of the node's own document: readings would work.
        place.fail(&["update"], failure, "alwaysOn").await;
        let is_over = async {
            while store.lease(Purpose::Recall).await.is_ok() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), is_over).await.unwrap();
        assert!(!store.evictions().allow(key(1), before));
        for purpose in [Purpose::Recall, Purpose::Read] {
            store.lease(purpose).await.unwrap_err();
        }
        store.identity(key(1)).await.unwrap_err();
        store.session(opened.digest).await.unwrap_err();
        store.api_key(program.id).await.unwrap_err();
        place.fail(&["update"], doc! {"errorCode": 13}, "off").await;
        leased(&store).await;
        assert_eq!(store.identity(key(1)).await.unwrap().as_ref(), Some(&owner));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_hand_is_seen_within_a_second() {
    let place = Mongo::shared().await;
    let store = place.open().await;
    let identities = place.shell().await.collection::<Document>("identities");
    let created = store.create_identity(key(1), Standing::Active, at(0)).await;
    created.unwrap();
    let read = async |number| store.identity(key(number)).await.unwrap();
    let ask = async |kept: &mut Kept<'_, _>, number| kept.ask(async || read(number).await).await;
    let mut kept = [1, 2, 3].map(|number| Kept::new(&store, key(number)));
    let [one, two, three] = &mut kept;
    assert!(ask(one, 1).await.is_some());

    // Without a version.
    let of = |number: u64| doc! {"public_key": key(number).to_string()};
    let edited = doc! {"$set": {"metadata.edited": true}};
    identities.update_one(of(1), edited).await.unwrap();
    noticed(async || ask(one, 1).await.unwrap().metadata.contains_key("edited")).await;
    // Given to another key, and replaced, and removed.
    identities
        .update_one(of(1), doc! {"$set": of(2)})
        .await
        .unwrap();
    noticed(async || ask(one, 1).await.is_none()).await;
    assert!(ask(two, 2).await.is_some());
    let mut other = of(3);
    other.insert("created_at", DateTime::from_millis(0));
    identities.replace_one(of(2), other).await.unwrap();
    noticed(async || ask(two, 2).await.is_none()).await;
    assert!(ask(three, 3).await.is_some());
    identities.delete_one(of(3)).await.unwrap();
    noticed(async || ask(three, 3).await.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_is_edited_by_hand_is_noticed_within_a_second() {
    let place = Mongo::shared().await;
    let store = place.open().await;
    let new = template(Environment::Development);
    store.put_template(new, None).await.unwrap();
    store.lease(Purpose::Recall).await.unwrap();
    let configurations = place.shell().await.collection::<Document>("configurations");
    for name in ["By hand", "Again"] {
        let known = store.evictions().template();
        let edit = doc! {"$set": {"system.app_name": name}};
        configurations.update_one(doc! {}, edit).await.unwrap();
        noticed(async || {
            store.lease(Purpose::Recall).await.unwrap();
            store.evictions().template() > known
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_identity_is_read_once_a_second_at_most() {
    const READINGS: u32 = 5;
    let place = Mongo::shared().await;
    let store = place.open().await;
    let created = store.create_identity(key(1), Standing::Active, at(0)).await;
    let owner = created.unwrap().identity;
    let mut kept = Kept::new(&store, key(1));
    let reads = AtomicU32::new(0);
    let read = async || {
        reads.fetch_add(1, Ordering::Relaxed);
        store.identity(key(1)).await.unwrap()
    };
    let since = Instant::now();
    let mut asked = 0_u64;
    while reads.load(Ordering::Relaxed) <= READINGS {
        assert_eq!(kept.ask(read).await.as_ref(), Some(&owner));
        asked += 1;
        sleep(Duration::from_millis(1)).await;
    }
    let taken = since.elapsed();
    println!("{asked} requests, {READINGS} readings in {taken:.1?}");
    // The first may have come when half of its lease was over.
    assert!(
        taken.as_secs_f64() + 1.5 >= f64::from(READINGS),
        "{taken:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "proves nothing: it measures"]
async fn what_a_renewal_takes() {
    let place = Mongo::alone().await;
    let store = place.open().await;
    let mut taken = Vec::new();
    for _ in 0..20 {
        leased(&store).await;
        // Until it is over.
        sleep(Duration::from_millis(1100)).await;
        let since = Instant::now();
        store.lease(Purpose::Read).await.unwrap();
        taken.push(since.elapsed());
    }
    taken.sort_unstable();
    println!(
        "half within {:.1?}, all within {:.1?}",
        taken[10], taken[19]
    );
}
