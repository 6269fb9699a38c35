//! The other direction: what the two crates make, Nexus accepts.

use erc8128::eoa::EoaSigner;
use erc8128::{SignOptions, sign_request};
use k256::ecdsa::SigningKey;
use nexus_core::auth::request::Target;
use nexus_core::auth::sign_in::message_for;
use nexus_core::auth::{RequestToVerify, Signature, SignatureError};
use nexus_fuzz::{MADE_AT, STATEMENT, at_once};
use time::OffsetDateTime;

#[test]
fn a_text_that_siwe_writes_is_the_one_that_is_handed_out() {
    let now = chrono::DateTime::from_timestamp(MADE_AT, 0).unwrap();
    let challenge = nexus_fuzz::sign_in_rules().issue(now).unwrap();
    let key = nexus_fuzz::key();
    let moment = |seconds| OffsetDateTime::from_unix_timestamp(MADE_AT + seconds).unwrap();
    let theirs = siwe::Message {
        domain: challenge.domain.parse().unwrap(),
        address: *key.public_key().as_bytes(),
        statement: Some(STATEMENT.to_owned()),
        uri: challenge.uri.parse().unwrap(),
        version: siwe::Version::V1,
        chain_id: 1,
        nonce: challenge.nonce.clone(),
        issued_at: moment(0).into(),
        expiration_time: Some(moment(300).into()),
        not_before: None,
        request_id: None,
        resources: Vec::new(),
    };
    let ours = message_for(&challenge, key.public_key());
    assert_eq!(theirs.to_string(), ours);
    // Hashed by siwe, signed by an older version of the curve.
    let signer = SigningKey::from_slice(&[1; 32]).unwrap();
    let hash = theirs.eip191_hash().unwrap();
    let (signature, recovery) = signer.sign_prehash_recoverable(&hash).unwrap();
    let mut bytes = [27 + recovery.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    let signature = Signature::from_bytes(&bytes).unwrap();
    let message = theirs.to_string();
    let signed_in = nexus_fuzz::sign_in_rules().verify(&message, &signature.to_string(), now);
    assert_eq!(signed_in.unwrap().key, key.public_key());
}

#[test]
fn a_request_that_erc8128_signs_is_accepted() {
    let now = chrono::DateTime::from_timestamp(MADE_AT, 0).unwrap();
    let signer = EoaSigner::from_slice(&[1; 32], 1).unwrap();
    for (path, query, body) in [
        ("/api/v1/config", None, "{}"),
        ("/api/v1/config", Some("a=%20&b"), "{\"ä\": 1}"),
        ("/api/v1/identity", None, ""),
        ("/", Some("x"), ""),
    ] {
        let query_text = query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("https://Nexus.Example.org:443{path}{query_text}");
        let has_body = !body.is_empty();
        let request = erc8128::Request {
            method: "POST",
            url: &url,
            headers: &[("content-type", "application/json")],
            body: has_body.then_some(body.as_bytes()),
        };
        let options = SignOptions {
            created: u64::try_from(MADE_AT).ok(),
            components: has_body.then(|| vec!["content-type".to_owned()]),
            ..SignOptions::default()
        };
        let signed = at_once(sign_request(&request, &signer, &options)).unwrap();
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("content-type", b"application/json"),
            ("signature-input", signed.signature_input.as_bytes()),
            ("signature", signed.signature.as_bytes()),
        ];
        if let Some(digest) = &signed.content_digest {
            headers.push(("content-digest", digest.as_bytes()));
        }
        let request = RequestToVerify {
            target: Target {
                method: "POST",
                authority: "nexus.example.org",
                path,
                query,
            },
            body: body.as_bytes(),
            headers: &headers,
        };
        let verified = nexus_fuzz::request_rules().verify(&request, now).unwrap();
        assert_eq!(verified.key, nexus_fuzz::key().public_key());
    }
}

/// Where the two are laxer: v = 29 and the like pass in siwe.
#[test]
fn t05_what_siwe_lets_pass_is_refused() {
    let text = include_str!("../corpus/siwe_parse/valid");
    let message: siwe::Message = text.parse().unwrap();
    let mut bytes = nexus_fuzz::key().sign_message(text.as_bytes()).to_bytes();
    bytes[64] += 27;
    assert!(message.verify_eip191(&bytes).is_ok());
    assert_eq!(
        Signature::from_bytes(&bytes),
        Err(SignatureError::RecoveryId)
    );
}
