//! What identities and messages cost, and how long requests take among many of them. Prints the
//! figures of docs/scaling.md; run by hand.

use std::time::Duration;

use mongodb::Database;
use mongodb::bson::{Bson, DateTime, Document, Timestamp, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use nexus_core::{PublicKey, Role};
use nexus_store::{IdentityStore, MessageStore, MongoStore};
use tokio::time::Instant;

use super::Mongo;
use crate::samples::{at, key, message, run, set};

/// The first people have said something: a million messages in all.
const SPEAKERS: u64 = 100_000;
const MESSAGES_OF_EACH: u64 = 10;
const TRIES: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and proves nothing: it measures"]
async fn what_it_costs() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    let shell = place.shell().await;
    let mut there = 0;
    for identities in [10_000, 100_000, 1_000_000] {
        fill(&shell, there..identities).await;
        there = identities;
        // What is asked for is spread over all of them, as in life.
        shell
            .client()
            .database("admin")
            .run_command(doc! {"fsync": 1})
            .await
            .unwrap();
        println!("{identities} identities");
        for collection in ["identities", "messages"] {
            sizes(&shell, collection).await;
        }
        latencies(&store, identities).await;
    }
}

async fn fill(shell: &Database, numbers: std::ops::Range<u64>) {
    let fast = WriteConcern::builder().w(Acknowledgment::Nodes(1)).build();
    let identities = shell.collection::<Document>("identities");
    let messages = shell.collection::<Document>("messages");
    let text = "A sentence of the usual length, said by somebody to somebody. ".repeat(6);
    let created_at = DateTime::from_millis(at(0).timestamp_millis());
    for first in numbers.clone().step_by(500) {
        let some = first..numbers.end.min(first + 500);
        let new = some.clone().map(|number| {
            doc! {
                "public_key": spread(number).to_string(), "created_at": created_at, "metadata": {},
                "config_overrides": {"model": "deepseek-chat", "temperature": 0.9},
                "prompt_overrides": {"persona": &text}, "version": 3,
            }
        });
        let inserted = identities.insert_many(new).write_concern(fast.clone());
        inserted.await.unwrap();
        if first >= SPEAKERS {
            continue;
        }
        let said = some.flat_map(|number| {
            let (owner, text) = (spread(number).to_string(), &text);
            (0..MESSAGES_OF_EACH).map(move |count| {
                let id = format!("msg_{number:016x}{count:016x}");
                doc! {
                    "_id": &id, "id": &id, "run_id": format!("run_{number:016x}{count:016x}"),
                    "owner_key": &owner, "role": if count % 2 == 0 { "human" } else { "ai" },
                    "content": text, "timestamp": created_at, "metadata": {"model": "deepseek-chat"},
                    "seq": Timestamp { time: 0, increment: 0 },
                }
            })
        });
        let inserted = messages.insert_many(said).write_concern(fast.clone());
        inserted.await.unwrap();
    }
}

/// A key that is nowhere near that of the next number, as in life.
fn spread(number: u64) -> PublicKey {
    key(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[expect(clippy::print_stdout, reason = "it is for people")]
#[expect(clippy::cast_precision_loss, reason = "sizes are printed rounded")]
async fn sizes(shell: &Database, collection: &str) {
    let stats = shell
        .run_command(doc! {"collStats": collection})
        .await
        .unwrap();
    let number = |name: &str| match stats.get(name) {
        Some(Bson::Int32(number)) => f64::from(*number),
        Some(Bson::Int64(number)) => *number as f64,
        Some(Bson::Double(number)) => *number,
        _ => f64::NAN,
    };
    println!(
        "  {collection}: {} documents, {:.0} B each, {:.0} B on disk, {:.0} B of indexes",
        number("count"),
        number("size") / number("count"),
        number("storageSize") / number("count"),
        number("totalIndexSize") / number("count"),
    );
}

async fn latencies(store: &MongoStore, identities: u64) {
    let some = |number: usize| spread((number as u64).wrapping_mul(7919) % identities);
    let mut taken = [const { Vec::new() }; 5];
    for number in 0..TRIES {
        let mut lap = Lap(Instant::now());
        let owner = store.identity(some(number)).await.unwrap().unwrap();
        taken[0].push(lap.next());
        store.history(&owner, 20, &run("x")).await.unwrap();
        taken[1].push(lap.next());
        store.messages(&owner, 50, None).await.unwrap();
        taken[2].push(lap.next());
        store
            .append(&owner, message(&owner, Role::Human, "hello"))
            .await
            .unwrap();
        taken[3].push(lap.next());
        store
            .write_override(&owner, &set("temperature", 0.5))
            .await
            .unwrap();
        taken[4].push(lap.next());
    }
    for (name, taken) in ["identity", "history", "messages", "append", "override"]
        .iter()
        .zip(&mut taken)
    {
        print(name, taken);
    }
}

struct Lap(Instant);

impl Lap {
    fn next(&mut self) -> Duration {
        let taken = self.0.elapsed();
        self.0 = Instant::now();
        taken
    }
}

#[expect(clippy::print_stdout, reason = "it is for people")]
fn print(name: &str, taken: &mut [Duration]) {
    taken.sort_unstable();
    let (half, most) = (taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
    println!("  {name}: half within {half:.1?}, 99 of 100 within {most:.1?}");
}
