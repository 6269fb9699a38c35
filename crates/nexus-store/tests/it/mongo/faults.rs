//! A server that answers late, wrongly or not at all.

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{DateTime, Document, doc};
use nexus_core::{Environment, Message, Role, Standing};
use nexus_store::{IdentityStore, MongoOptions, MongoStore, Purpose, Store, StoreError};
use tokio::time::{Instant, sleep, timeout};

use super::Mongo;
use super::load::Load;
use crate::contract::Place;
use crate::contract::messages::walk;
use crate::samples::{at, key, message, template};
use nexus_test_support::mongo::Standalone;

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_fail_are_refused_or_repeated_and_lose_nothing() {
    let place = Mongo::alone().await;
    let store = place.open().await;
    let load = Load::start(Arc::clone(&store)).await;
    let insert = ["insert"].as_slice();
    let all = ["insert", "find", "getMore", "aggregate"].as_slice();
    for (commands, failure) in [
        (insert, doc! {"closeConnection": true}),
        (all, doc! {"closeConnection": true}),
        (insert, doc! {"errorCode": 11600}), // interrupted, as the server shuts down
        (insert, doc! {"errorCode": 189}),   // the primary steps down
        (all, doc! {"errorCode": 91}),       // shutdown in progress
        (insert, doc! {"errorCode": 50}),    // too slow, and not to be repeated
        (
            insert,
            doc! {"writeConcernError": {"code": 64, "errmsg": "waiting for replication"}},
        ),
    ] {
        // The driver repeats a failed command once: every second one is for the driver.
        let some = doc! {"activationProbability": 0.5};
        println!("{failure} for {commands:?}");
        place.fail(commands, failure.clone(), some).await;
        load.is_refused().await;
        place.fail(commands, failure, "off").await;
        println!("goes on after {:.1?}", load.goes_on().await);
    }
    load.finish().await.check(MongoOptions::default().deadline);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_at_its_deadline_and_what_it_began_is_stored_once() {
    let place = Mongo::alone().await;
    // Makes the indexes, which takes longer than the deadline below on a busy machine.
    place.store().await.close().await;
    let options = MongoOptions {
        deadline: Duration::from_millis(500),
        application: place.name.clone(),
    };
    // With time enough to make the indexes.
    let patient = MongoStore::connect(&place.uri, &place.name, MongoOptions::default()).await;
    let patient: Arc<dyn Store> = Arc::new(patient.unwrap());
    let created = patient.create_identity(key(1), Standing::Active, at(0));
    let owner = created.await.unwrap().identity;
    let store = MongoStore::connect(&place.uri, &place.name, options).await;
    let store: Arc<dyn Store> = Arc::new(store.unwrap());
    let slow = doc! {"blockConnection": true, "blockTimeMS": 1500};
    place.fail(&["insert"], slow, doc! {"times": 1}).await;
    let said = message(&owner, Role::Human, "hello");
    let since = Instant::now();
    let refused = store.append(&owner, said.clone()).await.unwrap_err();
    assert!(since.elapsed() < Duration::from_secs(5));
    assert!(refused.to_string().contains("within 0.5 s"), "{refused}");
    // It is finished all the same, and found when it is repeated.
    let stored = async {
        while !matches!(
            store.append(&owner, said.clone()).await,
            Err(StoreError::Conflict { .. }) | Ok(())
        ) {}
    };
    timeout(Duration::from_secs(20), stored).await.unwrap();
    assert_eq!(walk(&store, &owner, 10).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_replica_set_it_works_and_nothing_is_kept() {
    let server = Standalone::start();
    let options = MongoOptions::default();
    let store = MongoStore::connect(&server.uri(), "alone", options).await;
    let store: Arc<dyn Store> = Arc::new(store.unwrap());
    let ready = async {
        while store.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), ready).await.unwrap();
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    for number in 0..10 {
        let said = message(&owner, Role::Human, &number.to_string());
        store.append(&owner, said).await.unwrap();
    }
    let evictions = store.evictions();
    for number in 0..4 {
        let known = evictions.template();
        let new = template(Environment::Development);
        let version = (number > 0).then_some(number);
        store.put_template(new, version).await.unwrap();
        assert!(evictions.template() > known);
        let as_of = evictions.as_of(store.lease(Purpose::Read).await.unwrap());
        assert!(!evictions.allow(key(1), as_of));
    }
    let contents = |messages: Vec<Message>| {
        let texts = messages.into_iter().map(|message| message.content);
        texts.collect::<String>()
    };
    assert_eq!(contents(walk(&store, &owner, 3).await), "9876543210");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_doubles_says_which_and_is_used_when_they_are_gone() {
    let place = Mongo::shared().await;
    let identities = place.shell().await.collection::<Document>("identities");
    let double = doc! {"public_key": key(1).to_string(), "created_at": DateTime::from_millis(0)};
    let doubles = [double.clone(), double.clone()];
    identities.insert_many(doubles).await.unwrap();
    let store = place.store().await;
    let refused = store.identity(key(1)).await.unwrap_err().to_string();
    assert!(
        refused.contains("identities holds two documents"),
        "{refused}"
    );
    identities.delete_one(double).await.unwrap();
    let ready = async {
        while store.identity(key(1)).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), ready).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_dropped_gets_its_indexes_back() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap();
    let shell = place.shell().await;
    let identities = shell.collection::<Document>("identities");
    shell.drop().await.unwrap();
    let back = async {
        // There are none while there is no collection.
        while identities
            .list_index_names()
            .await
            .map_or(0, |names| names.len())
            < 2
        {
            // A request: without any, nothing is looked for.
            _ = store.identity(key(1)).await;
            sleep(Duration::from_millis(10)).await;
        }
        while store.ping().await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), back).await.unwrap();
    assert!(
        store
            .create_identity(key(1), Standing::Active, at(0))
            .await
            .unwrap()
            .is_new
    );
}

impl Mongo {
    /// Lets commands of the stores fail, and not those of the shell.
    pub(crate) async fn fail(
        &self,
        commands: &[&str],
        mut how: Document,
        when: impl Into<mongodb::bson::Bson>,
    ) {
        how.extend(doc! {"failCommands": commands.to_vec(), "appName": &self.name});
        let admin = self.shell().await.client().database("admin");
        let fail = doc! {"configureFailPoint": "failCommand", "mode": when, "data": how};
        admin.run_command(fail).await.unwrap();
    }
}
