//! Two servers on one MongoDB database, and what neither may allow because of the other. And a record
//! in that database, in which nothing can be changed unseen.

use std::sync::Arc;
use std::time::Instant;

use chrono::TimeDelta;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::{Client, Collection};
use nexus_core::{Clock as _, Limit, Limits, PublicKey, SystemClock};
use nexus_run::{Limiter, Sharing};
use nexus_store::{MongoOptions, MongoStore};
use nexus_test_support::clock::ManualClock;

use crate::http::{self, SOON};
use crate::mongod::ReplicaSet;
use crate::program::Home;
use crate::provider::SlowProvider;

const SOMEBODY: &str = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";

fn home(database: &ReplicaSet) -> Home {
    let home = Home::new();
    home.write("nexus.yml", &format!("database: {}\n", database.uri()));
    home
}

#[tokio::test]
async fn t09_what_is_revoked_on_one_server_ends_on_the_other() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    let (here, there) = (home(&database), home(&database));
    let provider = SlowProvider::start();
    here.write("slow.yml", &provider.template());
    here.ok(&["init", "--config", "slow.yml"]);
    let (first, second) = (here.serve(), there.serve());
    let (_, token) = here.member();
    let (_, other) = here.member();

    let mut answer = http::ask(&second.address, &token, "Hello");
    assert_eq!(answer.event().unwrap().name, "run_started");
    assert_eq!(answer.event().unwrap().data["chunk"], "one moment ");
    let begun = Instant::now();
    let headers = [
        ("host", &*first.address),
        ("authorization", &*format!("Bearer {token}")),
    ];
    let (status, out) = http::call(&first.address, "DELETE /api/v1/auth/session", &headers, "");
    assert_eq!(status, 200, "{out:#}");

    // The open answer on the other server ends, and new requests are refused there.
    let last = answer.event().unwrap();
    assert_eq!(last.name, "run_finished", "{last:?}");
    assert_eq!(last.data["status"], "interrupted");
    assert!(answer.event().is_none());
    while http::get(&second.address, "/api/v1/profile", Some(&token)).0 != 401 {
        assert!(begun.elapsed() < SOON, "still let in");
    }
    // A second until it is noticed and half a second until it is looked at, on an idle machine.
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    for server in [&first, &second] {
        let (status, _) = http::get(&server.address, "/api/v1/profile", Some(&other));
        assert_eq!(status, 200, "somebody else was signed out");
    }
}

/// What a server has: a store of its own on the shared database, and a limiter.
async fn node(database: &ReplicaSet, clock: &Arc<ManualClock>) -> Limiter {
    let store = MongoStore::connect(&database.uri(), "limits", MongoOptions::default()).await;
    Limiter::new(Arc::new(store.unwrap()), clock.clone(), Sharing::Shared)
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_two_servers_on_one_database_share_a_limit_within_what_is_stated() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    // The beginning of a minute that the database does not take for long gone.
    let now = SystemClock.now();
    let start = now - TimeDelta::milliseconds(now.timestamp_millis() % 60_000);
    let clock = Arc::new(ManualClock::new(start));
    let nodes = [node(&database, &clock).await, node(&database, &clock).await];
    let limits = Limits::default().with(Limit::Requests, 100);
    let person = PublicKey::from_bytes([7; 20]);

    // Ten requests a second on each, for a minute: docs/limits.md says from 100 to 110.
    let mut admitted = 0;
    for _ in 0..60 {
        for node in &nodes {
            for _ in 0..10 {
                admitted += u32::from(node.count_request(&limits, person).is_ok());
            }
        }
        for node in &nodes {
            node.exchange().await;
        }
        clock.advance(TimeDelta::seconds(1));
    }
    assert!((100..=110).contains(&admitted), "{admitted}");
    // A new minute begins on both.
    assert!(
        nodes
            .iter()
            .all(|node| node.count_request(&limits, person).is_ok())
    );

    // At worst: a whole limit on each before they have talked, and nothing after that.
    let person = PublicKey::from_bytes([8; 20]);
    let mut all_at_once = 0;
    for _ in 0..2 {
        for node in &nodes {
            for _ in 0..300 {
                all_at_once += u32::from(node.count_request(&limits, person).is_ok());
            }
        }
        for node in &nodes {
            node.exchange().await;
        }
    }
    assert_eq!(all_at_once, 200);
}

/// The same document with one thing changed, for each thing in it.
fn changed(entry: &Document) -> Vec<(String, Document)> {
    let mut all = Vec::new();
    for (name, value) in entry {
        let other = match value {
            // The last character is part of a value everywhere.
            Bson::String(text) => {
                let end = if text.ends_with('0') { '1' } else { '0' };
                let mut text = text.clone();
                text.pop();
                text.push(end);
                Bson::String(text)
            }
            Bson::DateTime(at) => Bson::DateTime(DateTime::from_millis(at.timestamp_millis() + 1)),
            Bson::Document(inside) if inside.is_empty() => doc! { "config.model": {} }.into(),
            Bson::Document(inside) => {
                for (place, inside) in changed(inside) {
                    let mut entry = entry.clone();
                    entry.insert(name, inside);
                    all.push((format!("{name}.{place}"), entry));
                }
                Bson::Document(Document::new())
            }
            Bson::Null => Bson::String("0x00".to_owned()),
            // The number of the entry is its `_id`.
            Bson::Int32(_) | Bson::Int64(_) => continue,
            other => panic!("{name} is {other:?}"),
        };
        let mut entry = entry.clone();
        entry.insert(name, other);
        all.push((name.clone(), entry));
    }
    all
}

async fn record(database: &ReplicaSet) -> Collection<Document> {
    let client = Client::with_uri_str(database.uri()).await.unwrap();
    client.database("NEXUS_DB_DEV").collection("audit")
}

#[tokio::test]
async fn t38_a_changed_entry_in_the_database_is_found() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    let home = home(&database);
    home.ok(&["init"]);
    home.ok(&["identity", "new", SOMEBODY]);
    home.ok(&["config", "set", SOMEBODY, "temperature", "0.3"]);
    home.ok(&["identity", "disable", SOMEBODY]);
    home.ok(&["audit", "verify"]);
    let entries = home.json(&["audit", "list"]);
    let actions = entries.as_array().unwrap().iter();
    let place = actions
        .clone()
        .find(|entry| entry["action"] == "config.set");
    let seq = place.unwrap()["seq"].as_i64().unwrap();

    let record = record(&database).await;
    let this = doc! { "_id": seq };
    let entry = record.find_one(this.clone()).await.unwrap().unwrap();
    let twists = changed(&entry);
    let names: Vec<_> = twists.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "at",
        "actor",
        "action",
        "target",
        "details",
        "signature",
        "previous",
        "hash",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    for (name, twist) in twists {
        record.replace_one(this.clone(), twist).await.unwrap();
        let done = home.run(&["audit", "verify"]);
        assert_eq!(done.code, Some(1), "{name}: {done:#?}");
    }
    record.delete_one(this.clone()).await.unwrap();
    let done = home.run(&["audit", "verify"]);
    assert_eq!(done.code, Some(1), "an entry is missing: {done:#?}");
    record.insert_one(entry).await.unwrap();
    home.ok(&["audit", "verify"]);
}
