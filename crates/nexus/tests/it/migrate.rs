//! `nexus migrate`, as people run it: a database of the original made ready, a whole installation
//! moved, and both killed in the middle.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use mongodb::bson::{DateTime, Document, doc};
use mongodb::{Client, Collection, Database};
use serde_json::Value;

use crate::http::SOON;
use crate::mongod;
use crate::program::{Home, finish};

/// A database of its own on the server that all tests share.
struct Place {
    uri: String,
    database: Database,
}

impl Place {
    async fn new(name: &str) -> Self {
        let name = format!("nexus_{}_{name}", std::process::id());
        let server = mongod::shared().await;
        let client = Client::with_uri_str(&server).await.unwrap();
        Self {
            uri: server.replace("/?", &format!("/{name}?")),
            database: client.database(&name),
        }
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    async fn count(&self, collection: &str, filter: Document) -> u64 {
        let collection = self.collection(collection);
        collection.count_documents(filter).await.unwrap()
    }

    /// So many people as the original left them, each with so many messages.
    async fn fill(&self, people: u64, each: u64) {
        let written = DateTime::from_millis(1_760_000_000_000);
        let (identities, messages) = (self.collection("identities"), self.collection("messages"));
        for first in (0..people).step_by(100) {
            let some = first..people.min(first + 100);
            let new = some.clone().map(|number| {
                let mut identity = doc! {
                    "public_key": spelling(number), "created_at": written, "metadata": {},
                    "nickname": {"since": written},
                };
                if number % 2 == 0 {
                    identity.extend(doc! {
                        "config_overrides": {"model": "deepseek-chat", "later": {"at": written}},
                        "prompt_overrides": {"persona": "A pirate. ".repeat(37)},
                    });
                }
                identity
            });
            identities.insert_many(new).await.unwrap();
            let said = some.flat_map(|number| {
                (0..each).map(move |count| {
                    let number = number * each + count;
                    let role = ["HUMAN", "AI", "human", "ai"][usize::try_from(number % 4).unwrap()];
                    doc! {
                        "id": format!("msg_{number:032x}"), "run_id": format!("run_{number:032x}"),
                        "owner_key": spelling(number / each), "role": role,
                        "content": "A sentence of the usual length, said by somebody. ".repeat(7),
                        "timestamp": DateTime::from_millis(1_760_000_000_000 + count.cast_signed()),
                        "metadata": {"model": "deepseek-chat"},
                    }
                })
            });
            messages.insert_many(said).await.unwrap();
        }
        let template = doc! {"environment": "development", "config_data": template()};
        let configurations = self.collection("configurations");
        configurations.insert_one(template).await.unwrap();
    }
}

/// An address, every third one as a wallet shows it.
fn spelling(number: u64) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let digits = format!("0x{mixed:016x}{number:024x}");
    match number % 3 {
        0 => digits.replace('a', "A").replace('d', "D"),
        _ => digits,
    }
}

fn template() -> Document {
    doc! {
        "system": {"app_name": "YX Nexus"},
        "llm": {
            "providers": {"builtin": {"protocol": "builtin"}},
            "catalog": {"echo": {"provider": "builtin", "id": "echo"}},
        },
        "user_defaults": {
            "config": {"model": "echo"},
            "prompts": {"persona": {"content": "", "editable": true, "order": 1}},
        },
        "ui": {"editable_fields": ["prompts.persona"], "field_options": {}},
    }
}

/// The program at work, with nobody at the terminal.
fn start(home: &Home, arguments: &[&str]) -> Child {
    let mut command = home.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn total(report: &Value, part: &str) -> u64 {
    let tallies = report[part].as_object().unwrap().values();
    tallies.map(|tally| tally["count"].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_original_is_made_ready_in_spite_of_a_kill() {
    let place = Place::new("original").await;
    let home = Home::new();
    place.fill(2000, 10).await;
    let database = ["--database", &place.uri];
    let told = home.json(&[&["migrate"], &database[..]].concat());
    assert_eq!(told["applied"], false);
    assert_eq!(told["documents"]["messages"], 20_000);
    let wanted = total(&told, "changes");
    assert_eq!(place.count("messages", doc! {"role": "HUMAN"}).await, 5000);

    let apply = [&["migrate", "--apply", "--yes"], &database[..]].concat();
    let mut running = start(&home, &apply);
    let begun = Instant::now();
    while place.count("messages", doc! {"role": "HUMAN"}).await == 5000 {
        assert!(begun.elapsed() < 3 * SOON, "it does not begin");
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let left = place.count("messages", doc! {"role": "HUMAN"}).await;
    assert!(left > 0, "it was through already");

    let done = home.json(&apply);
    assert!(total(&done, "changes") < wanted, "it went on");
    assert_eq!(total(&done, "concerns"), 0);
    assert_eq!(done["without_overrides"], 0);
    for (collection, bad) in [
        ("messages", doc! {"role": {"$nin": ["human", "ai"]}}),
        ("messages", doc! {"owner_key": {"$regex": "[A-Z]"}}),
        ("identities", doc! {"public_key": {"$regex": "[A-Z]"}}),
        (
            "identities",
            doc! {"nickname.since": {"$not": {"$type": "date"}}},
        ),
        (
            "identities",
            doc! {"config_overrides.model": {"$exists": true}, "config_overrides.later.at": {"$not": {"$type": "date"}}},
        ),
    ] {
        assert_eq!(place.count(collection, bad.clone()).await, 0, "{bad}");
    }
    let again = home.run(&apply);
    assert!(again.out.contains("20000 messages"), "{again:?}");
    assert!(!again.out.contains("CHANGED"), "{again:?}");

    // And it works: somebody of the original finds what was said.
    let server = home.serve_with(&database);
    let key = spelling(3).to_lowercase();
    let token = home.json(&[&["identity", "token", &key], &database[..]].concat());
    let (status, page) = crate::http::get(
        &server.address,
        "/api/v1/messages",
        Some(token["token"].as_str().unwrap()),
    );
    assert_eq!(
        (status, page["messages"].as_array().unwrap().len()),
        (200, 10)
    );
    drop(server);
    place.database.drop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_goes_on_and_the_source_is_untouched() {
    let place = Place::new("source").await;
    let home = Home::new();
    place.fill(500, 20).await;
    let prepare = ["migrate", "--apply", "--yes", "--database", &place.uri];
    home.ok(&prepare);

    // To the file, killed; then on; then to another database, killed.
    let there = [
        "migrate",
        "--from",
        "mongodb",
        "--to",
        "embedded",
        "--database",
        &place.uri,
    ];
    let plan = home.json(&there);
    assert!(!home.path("data").exists(), "a dry run makes nothing");
    assert_eq!(plan["kinds"][1]["source"], 10_000);
    let there = [&there[..], &["--apply", "--yes"]].concat();
    let mut running = start(&home, &there);
    let begun = Instant::now();
    while messages(&home) == 0 {
        assert!(begun.elapsed() < 3 * SOON, "it does not begin");
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert!((1..10_000).contains(&messages(&home)));
    let first = home.json(&there);

    let other = Place::new("target").await;
    let on = [
        "migrate", "--from", "embedded", "--to", &other.uri, "--apply", "--yes",
    ];
    let mut running = start(&home, &on);
    while other.count("messages", doc! {}).await == 0 {
        assert!(begun.elapsed() < 6 * SOON, "it does not begin");
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let second = home.json(&on);
    assert_eq!(other.count("messages", doc! {}).await, 10_000);
    assert_eq!(first["checked"], second["checked"]);
    assert_eq!(second["kinds"][0]["target"], 500, "it went on");

    let again = home.run(&on);
    assert!(again.err.contains("copied 0 records"), "{again:?}");
    assert_eq!(
        place
            .count("messages", doc! {"seq": {"$exists": true}})
            .await,
        0
    );

    // Somebody says something there: it is no copy any more.
    let extra = doc! {"owner_key": "0x", "content": "mine"};
    other
        .collection("messages")
        .insert_one(extra)
        .await
        .unwrap();
    let refused = home.fails(&on);
    assert!(refused.err.contains("not empty"), "{refused:?}");
    for place in [place, other] {
        place.database.drop().await.unwrap();
    }
}

/// How many messages are in the file, as another process sees it.
fn messages(home: &Home) -> u64 {
    let file = rusqlite::Connection::open_with_flags(
        home.path("data/nexus.db"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    );
    let count = file.and_then(|file| {
        file.query_row("SELECT count(*) FROM messages", [], |row| {
            row.get::<_, i64>(0)
        })
    });
    count.unwrap_or_default().cast_unsigned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_must_decide_is_listed_and_fails_the_command() {
    let place = Place::new("decide").await;
    let home = Home::new();
    let identity = |key: &str| doc! {"public_key": key, "created_at": DateTime::from_millis(0)};
    let (lower, upper) = (spelling(1), spelling(1).replace("0x9e", "0x9E"));
    let identities = [identity(&lower), identity(&upper), identity("0x_YU")];
    place
        .collection("identities")
        .insert_many(identities)
        .await
        .unwrap();
    for arguments in [
        &["migrate", "--database", &place.uri][..],
        &["migrate", "--database", &place.uri, "--apply", "--yes"],
    ] {
        let told = home.fails(arguments);
        for part in [lower.as_str(), upper.as_str(), "0x_YU", "What to do"] {
            assert!(told.out.contains(part), "{part}: {told:?}");
        }
        assert!(
            told.err.contains("2 of the findings need a decision"),
            "{told:?}"
        );
    }
    // Without a yes, and with nobody to ask, nothing happens.
    let bare = doc! {"public_key": spelling(2), "created_at": DateTime::from_millis(0)};
    place
        .collection("identities")
        .insert_one(bare)
        .await
        .unwrap();
    let unasked = home.fails(&["migrate", "--database", &place.uri, "--apply"]);
    assert!(unasked.err.contains("--yes"), "{unasked:?}");
    assert_eq!(
        place
            .count("identities", doc! {"metadata": {"$exists": true}})
            .await,
        1
    );
    place.database.drop().await.unwrap();
}

#[test]
fn places_that_make_no_sense_are_explained() {
    let home = Home::new();
    let nothing = home.fails(&["migrate"]);
    assert!(nothing.err.contains("--database mongodb://"), "{nothing:?}");
    let same = home.fails(&["migrate", "--from", "embedded", "--to", "embedded"]);
    assert!(same.err.contains("both source and target"), "{same:?}");
    let secret = "mongodb://me:s3cret@127.0.0.1:1/x?serverSelectionTimeoutMS=100";
    let away = home.fails(&["migrate", "--from", "embedded", "--to", secret]);
    assert!(!away.err.contains("s3cret"), "{away:?}");
    assert!(away.err.contains("no primary"), "{away:?}");
    assert!(!away.err.contains("was copied so far"), "{away:?}");
    assert!(!home.path("data").exists());
    let half = home.run(&["migrate", "--from", "embedded"]);
    assert_eq!(half.code, Some(2), "{half:?}");
}

/// The full size: `MOVING_PEOPLE` can make it smaller. Prints the figures of docs/scaling.md.
#[expect(
    clippy::disallowed_methods,
    reason = "run by hand, with a number by hand"
)]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and proves nothing more: it measures"]
async fn what_moving_in_costs() {
    let people: u64 = std::env::var("MOVING_PEOPLE").map_or(100_000, |it| it.parse().unwrap());
    let place = Place::new("large").await;
    let other = Place::new("large_target").await;
    let home = Home::new();
    place.fill(people, 10).await;
    println!("{people} people, {} messages", people * 10);
    let prepare = ["migrate", "--database", &place.uri];
    let apply = [&prepare[..], &["--apply", "--yes"]].concat();
    let there = [
        "migrate",
        "--from",
        "mongodb",
        "--to",
        "embedded",
        "--database",
        &place.uri,
    ];
    let on = ["migrate", "--from", "embedded", "--to", &other.uri];
    for (what, arguments) in [
        ("prepare, dry run", prepare.to_vec()),
        ("prepare", apply.clone()),
        ("prepare, once more", apply),
        ("to the embedded store, dry run", there.to_vec()),
        (
            "to the embedded store",
            [&there[..], &["--apply", "--yes"]].concat(),
        ),
        ("to MongoDB", [&on[..], &["--apply", "--yes"]].concat()),
    ] {
        let begun = Instant::now();
        let running = home.command(&arguments).spawn().unwrap();
        let status = format!("/proc/{}/status", running.id());
        let done = tokio::task::spawn_blocking(move || finish(running));
        let peak = peak(&status).await;
        let done = done.await.unwrap();
        assert_eq!(done.code, Some(0), "{what}: {done:?}");
        let seconds = begun.elapsed().as_secs_f64();
        println!("{what}: {seconds:.1} s, {} MB", peak / 1024);
        println!("{}{}", done.out, done.err);
    }
    for place in [place, other] {
        place.database.drop().await.unwrap();
    }
}

/// The most memory that a process has had, in KiB, as Linux counts it.
async fn peak(status: &str) -> u64 {
    let mut peak = 0;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while let Ok(status) = std::fs::read_to_string(status) {
        // One that has ended, and is not waited for yet, has none.
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(size) = line else { break };
        let number = size.split_whitespace().next().unwrap();
        peak = peak.max(number.parse().unwrap());
        ticks.tick().await;
    }
    peak
}
