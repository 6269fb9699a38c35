//! What a person takes away: whole, signed, and theirs alone.

use std::fmt::Write as _;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use nexus_core::{Clock as _, Message, MessageId, Metadata, Role, RunId, UsageCount, UsageKey};
use nexus_store::{IdentityStore as _, MessageStore as _, UsageStore as _};
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Value, json};
use sha2::Sha256;
use sha3::{Digest as _, Keccak256};

use crate::client::Call;
use crate::world::{Person, Setup, World, template};

const MESSAGES: usize = 500;

fn hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref().iter();
    bytes.fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// Who signed this text, computed from the standards and by nothing of ours.
fn signer(text: &str, signature: &str) -> String {
    let digits = signature.strip_prefix("0x").unwrap().as_bytes().chunks(2);
    let bytes: Vec<_> = digits
        .map(|it| u8::from_str_radix(str::from_utf8(it).unwrap(), 16).unwrap())
        .collect();
    let framed = format!("\x19Ethereum Signed Message:\n{}{text}", text.len());
    let hash = Keccak256::digest(framed);
    let scalars = Signature::from_slice(&bytes[..64]).unwrap();
    let recovery = RecoveryId::from_byte(bytes[64] - 27).unwrap();
    let key = VerifyingKey::recover_from_prehash(&hash, &scalars, recovery).unwrap();
    let point = key.to_sec1_point(false);
    let hash = Keccak256::digest(&point.as_bytes()[1..]);
    format!("0x{}", hex(&hash[12..]))
}

async fn talkative() -> (World, Person, Person) {
    let turns = (0..2).map(|_| Turn::new().text("An answer."));
    let world = World::begin(Setup {
        model: ScriptedModel::new(turns),
        ..Setup::default()
    })
    .await;
    let (alice, bob) = (world.member(1).await, world.member(2).await);
    for (person, name) in [(&alice, "alice"), (&bob, "bob")] {
        let question = json!({ "content": format!("a question of {name}") });
        assert_eq!(world.chat(&person.token, question).await.status, 200);
        let persona = json!({ "name": "persona", "content": format!("persona of {name}") });
        assert_eq!(
            world.execute(person, "prompt.set", persona).await.status,
            200
        );
        let label = format!("key of {name}");
        world
            .api_key(person, json!({ "name": label, "models": ["calm"] }))
            .await;
        let usage = UsageKey {
            owner: person.address(),
            day: world.clock.now().date_naive(),
            model: format!("model of {name}"),
        };
        let count = UsageCount {
            runs: 1,
            ..UsageCount::default()
        };
        let identity = world.store.identity(person.address()).await;
        let life = identity.unwrap().unwrap().created_at;
        let run = RunId::new(world.clock.now());
        world
            .store
            .add_usage(life, &run, usage, count)
            .await
            .unwrap();
    }
    (world, alice, bob)
}

#[tokio::test]
async fn a_bundle_is_whole_signed_and_has_nothing_of_anybody_else() {
    let (world, alice, bob) = talkative().await;
    let call = Call::get("/api/v1/export").token(&alice.token);
    let answer = world.send(call).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/jsonl");
    let lines: Vec<_> = answer.body.split_inclusive('\n').collect();
    let (last, before) = lines.split_last().unwrap();
    let end: Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        (&end["kind"], &end["records"]),
        (&json!("end"), &json!(before.len()))
    );
    assert_eq!(end["sha256"], hex(Sha256::digest(before.concat())));
    let digest = end["sha256"].as_str().unwrap();
    assert_eq!(
        end["signer"],
        signer(digest, end["signature"].as_str().unwrap())
    );

    let kinds: Vec<_> = before
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].take())
        .collect();
    assert_eq!(
        kinds,
        [
            "export", "identity", "session", "api_key", "usage", "usage", "audit", "audit",
            "message", "message"
        ]
    );
    for own in [
        "a question of alice",
        "An answer.",
        "persona of alice",
        "key of alice",
        "model of alice",
        r#""action":"prompt.set""#,
        r#""action":"key.create""#,
    ] {
        assert!(answer.body.contains(own), "{own}: {}", answer.body);
    }
    let foreign = bob.address().to_string();
    for other in [
        "of bob",
        &foreign,
        &foreign[2..],
        "digest",
        &alice.token[4..],
    ] {
        assert!(!answer.body.contains(other), "{other}");
    }
    // Whoever else exports gets a bundle by the same signer.
    let other = world
        .send(Call::get("/api/v1/export").token(&bob.token))
        .await;
    let other: Value = serde_json::from_str(other.body.lines().last().unwrap()).unwrap();
    assert_eq!(other["signer"], end["signer"]);
    assert_ne!(other["sha256"], end["sha256"]);
}

/// So much that it does not fit into what a connection holds.
async fn fill(world: &World, alice: &Person) {
    let identity = world
        .store
        .identity(alice.address())
        .await
        .unwrap()
        .unwrap();
    let text = "x".repeat(10_000);
    for _ in 0..MESSAGES {
        let now = world.clock.now();
        let message = Message {
            id: MessageId::new(now),
            run_id: RunId::new(now),
            owner_key: alice.address(),
            role: Role::Human,
            content: text.clone(),
            timestamp: now,
            metadata: Metadata::empty(),
        };
        world.store.append(&identity, message).await.unwrap();
    }
}

#[tokio::test]
async fn a_bundle_that_breaks_off_says_so_by_having_no_end() {
    let (world, alice, _) = talkative().await;
    fill(&world, &alice).await;
    let mut client = world.client().await;
    let call = Call::get("/api/v1/export").token(&alice.token);
    let mut body = client.open(call).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    world.store.stop();
    assert!(is_broken_off(&first, body).await);
}

#[tokio::test]
async fn t09_an_export_that_runs_ends_with_its_session() {
    let (world, alice, _) = talkative().await;
    fill(&world, &alice).await;
    let mut client = world.client().await;
    let call = Call::get("/api/v1/export").token(&alice.token);
    let mut body = client.open(call).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let out = Call::new(&http::Method::DELETE, "/api/v1/auth/session").token(&alice.token);
    assert_eq!(world.send(out).await.status, 200);
    assert!(is_broken_off(&first, body).await);
}

/// Reads the rest. Whether it ends with an error, and the bundle without its last line.
async fn is_broken_off(first: &[u8], mut body: Incoming) -> bool {
    let mut bytes = first.to_vec();
    let broken = loop {
        match body.frame().await {
            Some(Ok(frame)) => bytes.extend(frame.into_data().unwrap()),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    broken
        && !String::from_utf8(bytes)
            .unwrap()
            .contains(r#"{"kind":"end""#)
}

#[tokio::test]
async fn a_template_can_ask_for_a_signature_and_no_path_goes_around_it() {
    let mut template = template();
    template["security"]["signature_required_commands"] = json!(["export", "key.list"]);
    let world = World::begin(Setup {
        template: Some(template),
        ..Setup::default()
    })
    .await;
    let alice = world.member(1).await;
    for (command, path) in [("export", "/api/v1/export"), ("key.list", "/api/v1/keys")] {
        let by_name = Call::command(command, &json!({}));
        for call in [by_name, Call::get(path)] {
            let unsigned = world.send(call.clone().token(&alice.token)).await;
            assert_eq!(unsigned.code(), "401 signature_required", "{path}");
            assert_eq!(world.send_signed(&alice, call).await.status, 200, "{path}");
        }
    }
    // The built-in list stays, whatever the template says.
    let unsigned = Call::command("identity.delete", &json!({})).token(&alice.token);
    assert_eq!(world.send(unsigned).await.code(), "401 signature_required");
}
