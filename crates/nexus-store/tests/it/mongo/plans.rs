//! What the database does for each request, from its own profiler.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{DateTime, Document, Timestamp, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use nexus_core::{
    Environment, Identity, IdentityWrite, Metadata, NodeId, NonceId, Role, Standing, UsageCount,
};
use nexus_store::{ActiveRun, IdentityStore, MessageStore, Running, SessionStore, Store};

use super::Mongo;
use crate::samples::{
    api_key, at, audit, counter, far, key, message, new_run, run, session, set, template, unset,
    used,
};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_walks_through_a_collection_or_sorts() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    let shell = place.shell().await;
    // Enough of everything that a walk would show, half of the messages as the original left them.
    for number in 0..50 {
        let owner = store
            .create_identity(key(number), Standing::Active, at(0))
            .await
            .unwrap();
        let said = message(&owner.identity, Role::Human, "hello");
        store.append(&owner.identity, said).await.unwrap();
        store
            .create_session(session(number, key(number)))
            .await
            .unwrap();
    }
    let messages = shell.collection::<Document>("messages");
    let old = (0..500).map(|number| {
        doc! {
            "id": format!("msg_old-{number}"), "run_id": "run_old", "role": "HUMAN",
            "owner_key": key(number % 50).to_string(), "content": "old",
            "timestamp": DateTime::from_millis((number / 100).cast_signed()), "metadata": {},
        }
    });
    messages.insert_many(old).await.unwrap();

    shell.run_command(doc! {"profile": 2}).await.unwrap();
    every_request(&store).await;
    shell.run_command(doc! {"profile": 0}).await.unwrap();

    let plans = plans(&shell).await;
    let seen: BTreeSet<_> = plans
        .iter()
        .map(|plan| format!("{} {}", plan.kind, plan.collection))
        // The lease is renewed whatever is asked.
        .filter(|seen| !["update nodes", "query meta"].contains(&seen.as_str()))
        .collect();
    let expected = [
        "command configurations",
        "command counters",
        "command identities",
        "command runs",
        "command usage",
        "count identities",
        "count messages",
        "insert api_keys",
        "insert audit",
        "insert configuration_versions",
        "insert configurations",
        "insert identities",
        "insert messages",
        "insert sessions",
        "insert used_nonces",
        "query api_keys",
        "query audit",
        "query configurations",
        "query identities",
        "query messages",
        "query runs",
        "query sessions",
        "query usage",
        "remove api_keys",
        "remove counters",
        "remove identities",
        "remove messages",
        "remove runs",
        "remove sessions",
        "remove usage",
        "update api_keys",
        "update identities",
        "update messages",
        "update runs",
        "update sessions",
    ];
    assert_eq!(seen, expected.map(str::to_owned).into());
    for plan in &plans {
        assert!(!plan.walks(), "{plan:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_test_would_notice_a_walk_and_a_sort() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    for _ in 0..20 {
        let said = message(&owner, Role::Human, "hello");
        store.append(&owner, said).await.unwrap();
    }
    let shell = place.shell().await;
    let messages = shell.collection::<Document>("messages");
    shell.run_command(doc! {"profile": 2}).await.unwrap();
    let walk = messages.find_one(doc! {"content": "hello"});
    walk.await.unwrap().unwrap();
    let sort = messages.find_one(doc! {"owner_key": owner.public_key.to_string()});
    sort.sort(doc! {"timestamp": 1}).await.unwrap().unwrap();
    shell.run_command(doc! {"profile": 0}).await.unwrap();
    let walks: Vec<_> = plans(&shell).await.iter().map(Plan::walks).collect();
    assert_eq!(walks, [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t33_of_a_hundred_thousand_messages_no_more_are_read_than_are_shown() {
    const COUNT: u32 = 100_000;
    let place = Mongo::shared().await;
    let store = place.store().await;
    let shell = place.shell().await;
    let created = store.create_identity(key(1), Standing::Active, at(0)).await;
    let owner = created.unwrap().identity;
    let said = |number: u32| {
        let id = format!("msg_{number:032x}");
        doc! {
            "_id": &id, "id": &id, "run_id": format!("run_{number:032x}"),
            "owner_key": owner.public_key.to_string(), "content": "hello",
            "role": if number.is_multiple_of(2) { "human" } else { "ai" },
            "timestamp": DateTime::from_millis(number.into()), "metadata": {},
            "seq": Timestamp {
                time: 1_700_000_000,
                increment: number,
            },
        }
    };
    let messages = shell.collection::<Document>("messages");
    let all = messages.insert_many((1..=COUNT).map(said));
    let quickly = WriteConcern::builder().w(Acknowledgment::Nodes(1)).build();
    all.write_concern(quickly).await.unwrap();

    shell.run_command(doc! {"profile": 2}).await.unwrap();
    let history = store.history(&owner, 100, &run("x")).await.unwrap();
    let newest = store.messages(&owner, 100, None).await.unwrap();
    let older = store.messages(&owner, 100, newest.next).await.unwrap();
    shell.run_command(doc! {"profile": 0}).await.unwrap();
    assert_eq!(history.len(), 100);
    assert_eq!(newest.messages.len() + older.messages.len(), 200);
    assert_ne!(newest.messages[99].id, older.messages[0].id);
    let plans = plans(&shell).await;
    let plans: Vec<_> = plans
        .iter()
        .filter(|it| it.collection == "messages")
        .collect();
    assert!(plans.len() >= 3, "{plans:?}");
    for plan in plans {
        assert!(!plan.walks() && plan.examined <= 110, "{plan:?}");
    }
}

/// Each method of the store, in each way that asks the database differently.
async fn every_request(store: &dyn Store) {
    let environment = Environment::Development;
    for expected in [None, Some(1)] {
        store
            .put_template(template(environment), expected)
            .await
            .unwrap();
    }
    store.template(environment).await.unwrap().unwrap();
    store
        .create_identity(key(7), Standing::Active, at(0))
        .await
        .unwrap();
    let mut owner = store.identity(key(7)).await.unwrap().unwrap();
    for write in [set("temperature", 0.5), unset("temperature")] {
        owner = store.write_override(&owner, &write).await.unwrap();
    }
    store.identities(None, 5).await.unwrap();
    store.identities(Some(key(9).to_string()), 5).await.unwrap();
    for _ in 0..5 {
        let said = message(&owner, Role::Human, "hello");
        store.append(&owner, said).await.unwrap();
    }
    assert_eq!(store.history(&owner, 3, &run("x")).await.unwrap().len(), 3);
    // From the newest into what the original left.
    let (mut count, mut before) = (0, None);
    loop {
        let page = store.messages(&owner, 2, before).await.unwrap();
        count += page.messages.len();
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(count, 16);
    store.session(session(7, key(7)).digest).await.unwrap();
    store.create_session(session(99, key(7))).await.unwrap();
    every_request_about_runs(store, &owner).await;
    every_request_about_trust(store, &mut owner).await;
    store.facts().await.unwrap();
    store.ping().await.unwrap();
    store.erase_identity(key(7)).await.unwrap();
    store.leave(key(7), at(1)).await.unwrap();
    let late = message(&owner, Role::Ai, "late");
    store.append(&owner, late).await.unwrap_err();
}

async fn every_request_about_runs(store: &dyn Store, owner: &Identity) {
    let (me, node) = (owner.public_key, NodeId::new(far(0)));
    let begun = |name: &str| ActiveRun {
        run_id: run(name),
        owner: me,
        message_id: None,
        started_at: far(0),
    };
    store.begin_run(&begun("a"), &node).await.unwrap();
    store.begin_run(&begun("b"), &node).await.unwrap();
    let other = NodeId::new(far(0));
    store.begin_run(&begun("b"), &other).await.unwrap_err();
    store.renew_runs(&node).await.unwrap();
    assert_eq!(store.active_runs(me).await.unwrap().len(), 2);
    assert!(store.cancel_run(me, &run("b")).await.unwrap());
    assert!(!store.cancel_run(me, &run("c")).await.unwrap());
    let cancelled = store.cancelled_runs(&node).await.unwrap();
    assert_eq!(cancelled, [(me, run("b"))]);
    store
        .end_runs(&[begun("a"), begun("b")], &node)
        .await
        .unwrap();
    assert_eq!(store.active_runs(me).await.unwrap(), []);

    let said = message(owner, Role::Ai, "hello");
    store.append(owner, said.clone()).await.unwrap();
    assert!(store.has_message(owner, &said.id).await.unwrap());
    let page = store.run_messages(owner, &said.run_id, 1, None).await;
    assert_eq!(page.unwrap().messages[0].id, said.id);
    assert!(store.place(owner, &said).await.unwrap().is_some());
    let noted = Metadata::from_json("{}".into()).unwrap();
    let set = store.set_metadata(owner, &said.id, noted);
    assert!(set.await.unwrap());
    let ids = [said.id];
    assert_eq!(store.remove_messages(owner, &ids).await.unwrap(), 1);
    assert!(!store.has_message(owner, &ids[0]).await.unwrap());
}

async fn every_request_about_trust(store: &dyn Store, owner: &mut Identity) {
    let me = owner.public_key;
    for write in [
        IdentityWrite::Admin(true),
        IdentityWrite::Standing(Standing::Active),
    ] {
        *owner = store.write_identity(owner, write).await.unwrap();
    }
    for standing in Standing::ALL {
        for after in [None, Some(key(9).to_string())] {
            let page = store.identities_by_standing(standing, after, 5);
            page.await.unwrap();
        }
    }
    store.count_identities().await.unwrap();

    let opened = session(98, me);
    store.create_session(opened.clone()).await.unwrap();
    store.touch_session(opened.digest, far(1)).await.unwrap();
    assert_eq!(store.sessions(me).await.unwrap().len(), 3);
    assert!(store.revoke_session(me, opened.id()).await.unwrap());
    let kept = session(7, me).digest;
    assert_eq!(store.revoke_sessions(me, Some(kept)).await.unwrap(), 1);

    for number in 1..4 {
        let new = api_key(number, me);
        store.create_api_key(owner, new).await.unwrap();
    }
    let id = api_key(1, me).id;
    store.api_key(id).await.unwrap().unwrap();
    assert_eq!(store.api_keys(me).await.unwrap().len(), 3);
    store.touch_api_key(id, far(1)).await.unwrap();
    assert!(store.revoke_api_key(me, id, far(1)).await.unwrap());

    for first in [true, false] {
        let nonce = NonceId::from_bytes([1; 32]);
        let used = store.use_nonce(nonce, far(0), far(1)).await.unwrap();
        assert_eq!(used, first);
    }
    for _ in 0..20 {
        store.append_audit(audit(me)).await.unwrap();
    }
    assert_eq!(store.audit(2, 3).await.unwrap().entries.len(), 3);
    let page = store.audit_about(me, 2, 3).await.unwrap();
    assert_eq!(page.entries.len(), 3);
    store.audit_head().await.unwrap();

    let day = |number: u64| format!("2026-01-{:02}", number + 1);
    for number in 0..20 {
        let used = used(me, &day(number), "calm");
        let count = UsageCount::default();
        store
            .add_usage(owner.created_at, &new_run(), used, count)
            .await
            .unwrap();
        let counted = counter(1, Some(me));
        store.add_to_counter(counted, 1, far(0)).await.unwrap();
        let running = Running {
            owner: me,
            node: NodeId::new(far(number.cast_signed())),
            runs: 1,
            holds: TimeDelta::minutes(1),
        };
        store.tell_running(running, far(0)).await.unwrap();
    }
    let (from, to) = (day(3).parse().unwrap(), day(5).parse().unwrap());
    assert_eq!(store.usage(me, from, to).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_forgets_what_has_expired_by_itself() {
    let place = Mongo::shared().await;
    place.store().await;
    let shell = place.shell().await;
    for name in ["used_nonces", "counters"] {
        let collection = shell.collection::<Document>(name);
        let indexes = collection.list_indexes().await.unwrap();
        let indexes: Vec<_> = indexes.try_collect().await.unwrap();
        let after: Vec<_> = indexes
            .into_iter()
            .filter_map(|index| index.options?.expire_after)
            .collect();
        assert_eq!(after, [Duration::from_hours(1)], "{name}");
    }
}

/// What the profiler says about one operation.
#[derive(Debug)]
struct Plan {
    kind: String,
    collection: String,
    summary: String,
    /// Documents looked at, and how many of them were wanted.
    examined: i64,
    wanted: i64,
    sorts: bool,
}

impl Plan {
    fn walks(&self) -> bool {
        // A filter on the documents of one owner may pass over a few.
        self.summary.contains("COLLSCAN") || self.sorts || self.examined > self.wanted + 5
    }
}

async fn plans(shell: &Database) -> Vec<Plan> {
    let profile = shell.collection::<Document>("system.profile");
    let watched = format!("{}.$cmd.aggregate", shell.name());
    let operations = profile.find(doc! {"ns": {"$ne": watched}}).await.unwrap();
    let operations: Vec<Document> = operations.try_collect().await.unwrap();
    let number = |operation: &Document, name| {
        let count = operation.get_i32(name).map(i64::from);
        count.or_else(|_| operation.get_i64(name)).unwrap_or(0)
    };
    operations
        .iter()
        .filter_map(|operation| {
            let kind = operation.get_str("op").unwrap();
            let collection = operation.get_str("ns").unwrap().split_once('.').unwrap().1;
            let is_count = operation
                .get_document("command")
                .is_ok_and(|command| command.contains_key("count"));
            let ours = !collection.starts_with("system.") && !collection.starts_with('$');
            ours.then(|| Plan {
                kind: if is_count { "count" } else { kind }.to_owned(),
                collection: collection.to_owned(),
                summary: operation.get_str("planSummary").unwrap_or("").to_owned(),
                examined: number(operation, "docsExamined"),
                wanted: number(operation, "nreturned") + number(operation, "ndeleted"),
                sorts: operation.get_bool("hasSortStage").unwrap_or(false),
            })
        })
        .collect()
}
