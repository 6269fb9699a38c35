//! What JavaScript wallet libraries (viem, ethers, @slicekit/erc8128) signed, recorded by
//! `tests/fixtures/wallets/make.mjs`: read here, and signed here with the same result.

use chrono::DateTime;
use nexus_core::auth::request::{Content, SignatureTerms, Target, sign};
use nexus_core::auth::{RequestToVerify, Signature, SigningKey};
use serde::Deserialize;

use super::world::{request_rules, sign_in_rules, terms};

#[derive(Deserialize)]
struct Fixtures {
    messages: Vec<PersonalMessage>,
    sign_in: SignIn,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
struct PersonalMessage {
    key: String,
    address: String,
    text: String,
    signature: String,
}

#[derive(Deserialize)]
struct SignIn {
    key: String,
    now: i64,
    message: String,
    signature: String,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    query: Option<String>,
    body: Option<String>,
    is_our_order: bool,
    content_digest: Option<String>,
    signature_input: String,
    signature: String,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("../../fixtures/wallets/wallets.json")).unwrap()
}

#[test]
fn personal_messages_are_signed_as_wallets_sign_them() {
    for message in fixtures().messages {
        let key = SigningKey::from_hex(&message.key).unwrap();
        assert_eq!(key.public_key().to_checksummed(), message.address);
        let signature = Signature::from_hex(&message.signature).unwrap();
        let recovered = signature.recover(message.text.as_bytes());
        assert_eq!(recovered, Ok(key.public_key()), "{}", message.text);
        assert_eq!(key.sign_message(message.text.as_bytes()), signature);
    }
}

#[test]
fn a_sign_in_of_a_wallet_is_accepted() {
    let it = fixtures().sign_in;
    let now = DateTime::from_timestamp(it.now + 10, 0).unwrap();
    let signed_in = sign_in_rules().verify(&it.message, &it.signature, now);
    let key = SigningKey::from_hex(&it.key).unwrap();
    assert_eq!(signed_in.unwrap().key, key.public_key());
    let ours = key.sign_message(it.message.as_bytes()).to_string();
    assert_eq!(ours, it.signature);
}

#[test]
fn requests_signed_by_a_library_are_accepted_and_ours_are_its_own() {
    let key = super::world::key(1);
    let fixtures = fixtures();
    assert_eq!(fixtures.requests.len(), 8);
    for it in &fixtures.requests {
        let target = Target {
            method: &it.method,
            authority: "nexus.example.org",
            path: &it.path,
            query: it.query.as_deref(),
        };
        let body = it.body.as_deref().unwrap_or_default().as_bytes();
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("content-type", b"application/json"),
            ("signature-input", it.signature_input.as_bytes()),
            ("signature", it.signature.as_bytes()),
        ];
        if let Some(digest) = &it.content_digest {
            headers.push(("content-digest", digest.as_bytes()));
        }
        let request = RequestToVerify {
            target,
            body,
            headers: &headers,
        };
        let terms: SignatureTerms = terms();
        let signed = request_rules().verify(&request, terms.created).unwrap();
        assert_eq!(signed.key, key.public_key());
        if it.is_our_order {
            let media_type = "application/json";
            let ours = sign(&key, target, Some(&Content { media_type, body }), &terms).unwrap();
            assert_eq!(ours.signature_input, it.signature_input);
            assert_eq!(ours.signature, it.signature);
            assert_eq!(ours.content_digest, it.content_digest);
        }
    }
}

/// The examples of `docs/signing.md` are these: a client that is written from it works.
#[test]
fn the_documented_examples_are_the_recorded_ones() {
    let page = include_str!("../../../../../docs/signing.md");
    let fixtures = fixtures();
    assert!(page.contains(&fixtures.sign_in.message));
    assert!(page.contains(&fixtures.sign_in.signature));
    let documented = fixtures.requests.iter().filter(|it| {
        let input = format!("Signature-Input: {}\n", it.signature_input);
        page.contains(&format!("{input}Signature: {}\n", it.signature))
    });
    assert_eq!(documented.count(), 2);
    let tokens = page
        .lines()
        .filter(|line| nexus_core::Token::parse(line).is_ok());
    assert_eq!(tokens.count(), 2);
}
