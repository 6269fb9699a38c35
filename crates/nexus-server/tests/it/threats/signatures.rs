//! T03, T05, T06, T07: a signature is good for exactly what was signed, and has one spelling.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use http::Method;
use insta::assert_snapshot;
use nexus_core::Clock as _;
use nexus_core::auth::request::{Component, Content, SignatureTerms, Target, signature_base};
use nexus_store::IdentityStore as _;
use serde_json::{Value, json};

use crate::client::{Answer, Call};
use crate::world::{HOST, Person, SECURE_HOST, Setup, World, key};

const REFUSED: &str = r#"401 {"error":{"code":"sign_in_refused","message":"the sign-in was not accepted: ask for a new challenge and sign that one"}}"#;

async fn verify(world: &World, message: &str, signature: &str) -> Answer {
    let body = json!({ "message": message, "signature": signature }).to_string();
    world.send(Call::post("/api/v1/auth/verify", body)).await
}

#[tokio::test]
async fn t03_a_sign_in_with_one_thing_other_is_refused_with_the_same_words() {
    let world = World::begin(Setup::default()).await;
    let alice = key(1);
    let (text, signature) = world.signed_challenge(&alice).await;
    let nonce = text.split("Nonce: ").nth(1).unwrap()[..64].to_owned();
    let changes = [
        (HOST, "evil.test"),
        ("http://nexus.test/", "http://evil.test/"),
        ("http://nexus.test/", "https://nexus.test/"),
        ("Version: 1", "Version: 2"),
        ("Chain ID: 1", "Chain ID: 5"),
        ("Sign in to Nexus.", "Give me your money."),
        (&*nonce, "aaaaaaaaaaaaaaaa"),
        (&nonce[..2], "00"),
        ("2025-10-09T08:58:20Z", "2025-10-09T08:58:21Z"),
        ("2025-10-09T08:53:20Z", "2025-10-09T07:53:20Z"),
        ("2025-10-09T08:58:20Z", "2025-10-09T08:58:20.0Z"),
        ("Nonce: ", "Nonce:  "),
        ("\nIssued At", "\r\nIssued At"),
        ("Version: 1", "Version: 1\nResources:\n- https://nexus.test"),
    ];
    for (from, to) in changes {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}");
        let signature = alice.sign_message(other.as_bytes()).to_string();
        let answer = verify(&world, &other, &signature).await;
        assert_eq!(answer.shown(), REFUSED, "{other}");
    }
    let others = key(2).sign_message(text.as_bytes()).to_string();
    for (message, signature) in [
        (&*text, &*others),
        (&text, ""),
        (&text, "0x"),
        (&text, &signature[2..]),
        (&text, &signature.replace("0x", "0X")),
        ("", &signature),
        (&format!("{text}\n"), &signature),
    ] {
        assert_eq!(verify(&world, message, signature).await.shown(), REFUSED);
    }
    // Not the text of one name at the door of another.
    let body = json!({ "message": text, "signature": signature }).to_string();
    let call = Call::post("/api/v1/auth/verify", body).host(SECURE_HOST);
    assert_eq!(world.send(call).await.shown(), REFUSED);

    // None of this has used it up; time does.
    world.clock.advance(TimeDelta::seconds(299));
    assert_eq!(verify(&world, &text, &signature).await.status, 200);
    let (text, signature) = world.signed_challenge(&alice).await;
    world.clock.advance(TimeDelta::seconds(300));
    assert_eq!(verify(&world, &text, &signature).await.shown(), REFUSED);
}

fn delete(path: &str) -> Call {
    Call::new(&Method::DELETE, path)
}

fn command() -> Call {
    let arguments = json!({ "field": "temperature", "value": 0.3 });
    Call::command("config.set", &arguments)
}

/// The code of a refused signature, and the rule that it broke.
fn reason(answer: &Answer) -> String {
    let error = &answer.json()["error"];
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let (code, reason) = (word(&error["code"]), word(&error["details"]["reason"]));
    format!("{} {code} {reason}", answer.status)
}

async fn temperature(world: &World, person: &Person) -> Option<f64> {
    let identity = world.store.identity(person.address()).await.unwrap();
    identity.unwrap().overrides.temperature
}

#[tokio::test]
async fn t03_a_signature_is_good_for_its_request_and_for_no_other() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let now = world.clock.now();
    let signed = |call: Call| world.signed(&alice, call);
    let terms = |created: i64, expires: i64| SignatureTerms {
        created: now + TimeDelta::seconds(created),
        expires: now + TimeDelta::seconds(expires),
        ..SignatureTerms::new(1, now).unwrap()
    };
    let at = |terms: &SignatureTerms| command().token(&alice.token).signed_with(&alice.key, terms);
    let calls = [
        (
            "another body",
            signed(command()).body(r#"{"command":"identity.delete"}"#),
        ),
        ("no body", signed(command()).body("")),
        (
            "another path",
            signed(delete("/api/v1/sessions")).path("/api/v1/identity"),
        ),
        (
            "a query more",
            signed(command()).path("/api/v1/commands/execute?dry_run=true"),
        ),
        (
            "another method",
            signed(delete("/api/v1/identity")).method(&Method::POST),
        ),
        ("another of our names", signed(command()).host(SECURE_HOST)),
        (
            "for another server",
            signed(command().host("evil.test")).host(HOST),
        ),
        ("expired", at(&terms(-120, -60))),
        ("from the future", at(&terms(61, 100))),
        ("valid for too long", at(&terms(0, 301))),
        ("backwards", at(&terms(10, 5))),
        (
            "another chain",
            at(&SignatureTerms {
                chain_id: 5,
                ..terms(0, 60)
            }),
        ),
        (
            "a short nonce",
            at(&SignatureTerms {
                nonce: "abc".to_owned(),
                ..terms(0, 60)
            }),
        ),
        (
            "another key",
            command().token(&alice.token).signed(&key(2), now),
        ),
        ("two signatures", signed(command()).signed(&alice.key, now)),
    ];
    let mut answers = Vec::new();
    for (what, call) in calls {
        answers.push(format!("{what}: {}", reason(&world.send(call).await)));
    }
    assert_snapshot!(answers.join("\n"), @"
    another body: 401 signature_refused content_digest
    no body: 401 signature_refused components
    another path: 401 signature_refused other_key
    a query more: 401 signature_refused components
    another method: 401 signature_refused other_key
    another of our names: 401 signature_refused other_key
    for another server: 401 signature_refused other_key
    expired: 401 signature_refused expired
    from the future: 401 signature_refused created_in_the_future
    valid for too long: 401 signature_refused valid_for_too_long
    backwards: 401 signature_refused expires_before_created
    another chain: 401 signature_refused chain_id
    a short nonce: 401 signature_refused nonce_form
    another key: 401 other_key -
    two signatures: 401 signature_refused signature_input_header
    ");
    assert_eq!(temperature(&world, &alice).await, None);
}

#[tokio::test]
async fn t03_a_signature_is_good_up_to_the_last_second() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let now = world.clock.now();
    for (created, expires) in [(60, 70), (-60, 0), (0, 300)] {
        let terms = SignatureTerms {
            created: now + TimeDelta::seconds(created),
            expires: now + TimeDelta::seconds(expires),
            ..SignatureTerms::new(1, now).unwrap()
        };
        let call = command().token(&alice.token);
        let answer = world.send(call.signed_with(&alice.key, &terms)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(temperature(&world, &alice).await, Some(0.3));
}

/// The order of the curve.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

/// The other signature of the same message by the same key: `s` in the upper half.
fn high_s(signature: &str) -> String {
    let digits = |text: &str| -> Vec<u8> {
        let bytes = text.as_bytes().chunks(2);
        bytes
            .map(|it| u8::from_str_radix(str::from_utf8(it).unwrap(), 16).unwrap())
            .collect()
    };
    let (order, bytes) = (digits(ORDER), digits(&signature[2..]));
    let mut borrow = 0;
    let mut twin = bytes.clone();
    for place in (0..32).rev() {
        let difference = i16::from(order[place]) - i16::from(bytes[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        twin[32 + place] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    twin[64] = 27 + 28 - bytes[64];
    let twin: Vec<_> = twin.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{}", twin.concat())
}

#[tokio::test]
async fn t05_a_signature_has_one_spelling() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let (text, signature) = world.signed_challenge(&alice.key).await;
    let (front, v) = signature.split_at(signature.len() - 2);
    let zeros = "0".repeat(64);
    for twin in [
        high_s(&signature),
        format!("{front}1d"),
        format!("{front}36"),
        format!("{front}25"),
        front.to_owned(),
        format!("{signature}00"),
        format!("0x{zeros}{}{v}", &front[66..]),
        format!("{}{zeros}{v}", &front[..66]),
        format!("0x{ORDER}{}{v}", &front[66..]),
    ] {
        assert_eq!(
            verify(&world, &text, &twin).await.shown(),
            REFUSED,
            "{twin}"
        );
    }
    assert_eq!(verify(&world, &text, &signature).await.status, 200);

    let call = world.signed(&alice, command());
    let sent = call.value("signature").to_owned();
    let bytes = BASE64_STANDARD.decode(&sent[5..sent.len() - 1]).unwrap();
    let respelled = |bytes: &[u8]| {
        let value = format!("eth=:{}:", BASE64_STANDARD.encode(bytes));
        call.clone().replace("signature", &value)
    };
    let mut other_v = bytes.clone();
    other_v[64] = 29;
    for call in [
        respelled(&other_v),
        respelled(&bytes[..64]),
        respelled(&[&*bytes, &[0]].concat()),
        call.clone().replace("signature", &sent.replace("=:", ":")),
    ] {
        assert_eq!(world.send(call).await.code(), "401 signature_refused");
    }
    assert_eq!(temperature(&world, &alice).await, None);
    assert_eq!(world.send(call).await.status, 200);
}

/// A signed `identity` command whose key is named in this spelling.
fn register_as(world: &World, person: &Person, address: &str) -> Call {
    let target = Target {
        method: "POST",
        authority: HOST,
        path: "/api/v1/identity",
        query: None,
    };
    let components = [Component::Method, Component::Authority, Component::Path];
    let now = world.clock.now().timestamp();
    let nonce = format!("nonce-of-{address}");
    let input = format!(
        "(\"@method\" \"@authority\" \"@path\");created={now};expires={};nonce=\"{nonce}\";\
         keyid=\"erc8128:1:{address}\"",
        now + 60
    );
    let base = signature_base(target, None::<&Content<'_>>, &components, &input).unwrap();
    let signature = person.key.sign_message(base.as_bytes()).to_base64();
    Call::new(&Method::POST, "/api/v1/identity")
        .token(&person.token)
        .header("signature-input", &format!("eth={input}"))
        .header("signature", &format!("eth=:{signature}:"))
}

#[tokio::test]
async fn t06_two_spellings_of_a_key_are_one_identity() {
    let world = World::begin(Setup::default()).await;
    let alice = world.visitor(1).await;
    let (lower, mixed) = (
        alice.address().to_string(),
        alice.address().to_checksummed(),
    );
    assert_ne!(lower, mixed);
    let register = async |address: &str| world.send(register_as(&world, &alice, address)).await;
    let first = register(&lower).await.json()["data"].take();
    assert_eq!(
        first,
        json!({ "public_key": lower, "created": true, "standing": "active" })
    );
    let second = register(&mixed).await.json()["data"].take();
    assert_eq!(
        second,
        json!({ "public_key": lower, "created": false, "standing": "active" })
    );
    assert_eq!(world.store.count_identities().await.unwrap().active, 3);

    let wrong_case = mixed.replacen("0x1a642f0E", "0x1A642f0E", 1);
    let full_width = lower.replace('a', "\u{ff41}");
    for address in [
        &*wrong_case,
        &lower.to_uppercase(),
        &lower[2..],
        &format!("{lower} "),
    ] {
        let answer = register(address).await;
        assert_eq!(answer.code(), "401 signature_refused", "{address}");
    }
    let (text, _) = world.signed_challenge(&alice.key).await;
    for address in [&*wrong_case, &full_width, &format!("{mixed}\u{200b}")] {
        let text = text.replace(&mixed, address);
        let signature = alice.key.sign_message(text.as_bytes()).to_string();
        assert_eq!(verify(&world, &text, &signature).await.shown(), REFUSED);
    }
}

#[tokio::test]
async fn t07_a_signed_body_is_taken_byte_for_byte_and_has_one_meaning() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(1).await;
    let call = world.signed(&alice, command());
    let body =
        json!({ "command": "config.set", "arguments": { "field": "temperature", "value": 0.3 } });
    let body = body.to_string().into_bytes();
    let mut client = world.client().await;
    for place in 0..body.len() {
        let mut changed = body.clone();
        changed[place] ^= 1;
        let answer = client.send(call.clone().body(changed)).await;
        assert_eq!(
            reason(&answer),
            "401 signature_refused content_digest",
            "{place}"
        );
    }
    let digest = call.value("content-digest").to_owned();
    let kind = "application/json";
    for (name, value) in [
        ("content-type", kind),
        ("content-digest", &*digest),
        ("signature", call.value("signature")),
        ("signature-input", call.value("signature-input")),
    ] {
        let answer = client.send(call.clone().header(name, value)).await;
        assert_eq!(answer.code(), "401 signature_refused", "{name} twice");
    }
    let other_kind = call.clone().replace("content-type", "text/plain");
    assert_eq!(client.send(other_kind).await.status, 401);

    for twice in [
        r#"{"command":"config.set","command":"ping","arguments":{}}"#,
        r#"{"command":"config.set","arguments":{"field":"temperature","value":0.3,"value":1.4}}"#,
        r#"{"command":"config.set","arguments":{"field":"temperature","v\u0061lue":0.3,"value":1.4}}"#,
        r#"{"command":"config.set","arguments":{},"arguments":{"field":"temperature","value":1}}"#,
    ] {
        let twice = Call::post("/api/v1/commands/execute", twice);
        let answer = world.send_signed(&alice, twice).await;
        assert_eq!(answer.code(), "422 duplicate_field", "{}", answer.body);
    }
    assert_eq!(temperature(&world, &alice).await, None);
    assert_eq!(client.send(call).await.status, 200);
}
