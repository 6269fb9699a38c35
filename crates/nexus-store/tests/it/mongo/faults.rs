//! A server that answers late, wrongly or not at all.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{DateTime, Document, doc};
use nexus_core::{Message, Role, Standing};
use nexus_store::{IdentityStore, MongoOptions, MongoStore, Store, StoreError};
use tokio::time::{Instant, timeout};

use super::Mongo;
use super::failover::change;
use super::load::Load;
use crate::contract::Place;
use crate::contract::changes::{
    nothing_is_fresh_while_changes_are_not_heard, noticed, stays_fresh, vouched,
};
use crate::contract::messages::walk;
use crate::samples::{at, key, message, set};
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
async fn changes_are_heard_after_their_cursor_is_killed() {
    let place = Mongo::shared().await;
    let store = place.open().await;
    let load = Load::start(Arc::clone(&store)).await;
    for _ in 0..5 {
        // There may be none for a moment, while the stream is going on with a new one.
        while kill_cursors(&place).await == 0 {}
        let since = Instant::now();
        change(&store, &place.shell().await).await;
        println!("heard after {:.1?}", since.elapsed());
    }
    load.finish().await.check(MongoOptions::default().deadline);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_changes_are_not_heard_nothing_is_fresh_and_nothing_is_missed() {
    let place = Mongo::alone().await;
    let store = place.open().await;
    let shell = place.shell().await;
    let before = vouched(&store).await;
    // No rights, so that the driver does not go on by itself.
    nothing_is_fresh_while_changes_are_not_heard(&store, async |is_deaf| {
        let when = if is_deaf { "alwaysOn" } else { "off" };
        let failure = doc! {"errorCode": 13};
        let commands = ["getMore", "aggregate"];
        place.fail(&commands, failure, when).await;
        if is_deaf {
            let identity = doc! {"public_key": key(1).to_string()};
            let identities = shell.collection::<Document>("identities");
            identities.insert_one(identity).await.unwrap();
        }
    })
    .await;
    // The stream went on where it broke: only what was changed meanwhile has to be read again.
    noticed(&store, key(1), before).await;
    assert!(store.freshness().holds(key(2), before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_another_node_leaves_everybody_else_fresh() {
    let place = Mongo::shared().await;
    let (store, other) = (place.open().await, place.open().await);
    let identities = place.shell().await.collection::<Document>("identities");
    stays_fresh(&store, async |number| {
        let before = store.freshness().as_of();
        let owner = other
            .create_identity(key(number), Standing::Active, at(0))
            .await
            .unwrap();
        noticed(&store, key(number), before).await;
        let before = store.freshness().as_of();
        other
            .write_override(&owner.identity, &set("temperature", 0.5))
            .await
            .unwrap();
        let before = noticed(&store, key(number), before).await;
        // By hand, without a version.
        let by_hand = doc! {"$set": {"metadata.edited": true}};
        let mine = doc! {"public_key": key(number).to_string()};
        identities.update_one(mine, by_hand).await.unwrap();
        noticed(&store, key(number), before).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_can_tell_whose_document_was_changed_everything_is_in_doubt() {
    let place = Mongo::shared().await;
    let store = place.open().await;
    let identities = place.shell().await.collection::<Document>("identities");
    let mine = doc! {"public_key": key(1).to_string()};
    store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap();
    let mut before = vouched(&store).await;
    let given_away = doc! {"$set": {"public_key": key(2).to_string()}};
    identities
        .update_one(mine.clone(), given_away)
        .await
        .unwrap();
    before = noticed(&store, key(1), before).await;
    let replaced = doc! {"public_key": key(3).to_string()};
    let theirs = doc! {"public_key": key(2).to_string()};
    identities
        .replace_one(theirs, replaced.clone())
        .await
        .unwrap();
    before = noticed(&store, key(2), before).await;
    identities.delete_one(replaced).await.unwrap();
    noticed(&store, key(3), before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_change_that_is_heard_of_as_well_costs_no_second_read() {
    let place = Mongo::shared().await;
    let store = place.open().await;
    let shell = place.shell().await;
    let goes_on = async {
        for number in 1.. {
            vouched(&store).await;
            store
                .create_identity(key(number), Standing::Active, at(0))
                .await
                .unwrap();
            let as_of = store.freshness().as_of();
            // Heard after it.
            change(&store, &shell).await;
            if store.freshness().holds(key(number), as_of) {
                return;
            }
        }
    };
    timeout(Duration::from_secs(10), goes_on).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_replica_set_it_works_and_everything_is_read_again_and_again() {
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
    let mut changes = store.template_changes();
    for _ in 0..4 {
        changes.mark_unchanged();
        let moved = timeout(Duration::from_secs(10), changes.changed()).await;
        moved.expect("soon").unwrap();
        let freshness = store.freshness();
        assert!(!freshness.holds(key(1), freshness.as_of()));
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
    let mut changes = store.template_changes();
    changes.mark_unchanged();
    identities.delete_one(double).await.unwrap();
    let ready = async {
        while store.identity(key(1)).await.is_err() {
            changes.changed().await.unwrap();
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
    let mut changes = store.template_changes();
    shell.drop().await.unwrap();
    let back = async {
        // There are none while there is no collection.
        while identities
            .list_index_names()
            .await
            .map_or(0, |names| names.len())
            < 2
        {
            changes.changed().await.unwrap();
        }
        while store.ping().await.is_err() {
            changes.changed().await.unwrap();
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
    async fn fail(
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

/// Kills the cursors of all change streams of this test's stores.
async fn kill_cursors(place: &Mongo) -> usize {
    let shell = place.shell().await;
    let open = [
        doc! {"$currentOp": {"idleCursors": true, "allUsers": true}},
        doc! {"$match": {"appName": &place.name, "cursor.cursorId": {"$exists": true}}},
    ];
    let admin = shell.client().database("admin");
    let open = admin.aggregate(open).await.unwrap();
    let open: Vec<Document> = open.try_collect().await.unwrap();
    for operation in &open {
        let cursor = operation.get_document("cursor").unwrap();
        let id = cursor.get_i64("cursorId").unwrap();
        let kill = doc! {"killCursors": "$cmd.aggregate", "cursors": [id]};
        shell.run_command(kill).await.unwrap();
    }
    open.len()
}
