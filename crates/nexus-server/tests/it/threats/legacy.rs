//! T04: what people have signed elsewhere, or for the original, is no command here.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use k256::ecdsa::SigningKey as RawKey;
use nexus_store::{AuditStore as _, IdentityStore as _};
use serde_json::json;
use sha3::{Digest as _, Keccak256};

use crate::client::Call;
use crate::world::{Setup, World, key};

const SEED: u8 = 1;

/// A signature over the hash of a text and nothing else, as the original wanted it.
fn sign_raw(text: &str) -> Vec<u8> {
    let raw = RawKey::from_slice(&[SEED; 32]).unwrap();
    let hash = Keccak256::digest(text.as_bytes());
    let (signature, id) = raw.sign_prehash_recoverable(&hash);
    [&signature.to_bytes()[..], &[27 + id.to_byte()]].concat()
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{}", digits.concat())
}

#[tokio::test]
async fn t04_what_was_signed_for_the_original_or_to_sign_in_deletes_nobody() {
    let world = World::begin(Setup::default()).await;
    let alice = world.member(SEED).await;
    let (text, sign_in) = world.signed_challenge(&alice.key).await;
    let head = world.store.audit_head().await.unwrap();
    let personal = |text: &str| alice.key.sign_message(text.as_bytes()).to_bytes().to_vec();
    let signatures = [
        ("the original's, raw", sign_raw("/identity/delete")),
        ("the same, as a wallet signs", personal("/identity/delete")),
        ("of the command's name", personal("identity.delete")),
        (
            "of the body, raw",
            sign_raw(r#"{"command":"identity.delete"}"#),
        ),
        ("of the body", personal(r#"{"command":"identity.delete"}"#)),
        ("of the text that signs in", personal(&text)),
        ("of that text, raw", sign_raw(&text)),
        (
            "of a text that a page asked for",
            personal("Welcome to our game!"),
        ),
    ];
    for (what, signature) in signatures {
        for call in [
            Call::command("identity.delete", &json!({})),
            Call::new(&http::Method::DELETE, "/api/v1/identity"),
        ] {
            // Everything is right but for what was signed.
            let header = format!("eth=:{}:", BASE64_STANDARD.encode(&signature));
            let call = world.signed(&alice, call).replace("signature", &header);
            let answer = world.send(call).await;
            assert_eq!(answer.status, 401, "{what}: {}", answer.shown());
        }
        // The places where the original had it.
        let (signature, address) = (hex(&signature), alice.address().to_checksummed());
        let auth = json!({ "publicKey": address, "signature": signature });
        for body in [
            json!({ "command": "/identity/delete", "auth": auth }),
            json!({ "command": "identity.delete", "auth": auth }),
            json!({ "command": "identity.delete", "public_key": address, "signature": signature }),
        ] {
            let call = Call::post("/api/v1/commands/execute", body.to_string());
            let answer = world.send(call.token(&alice.token)).await;
            assert!(
                [401, 422].contains(&answer.status),
                "{what}: {}",
                answer.shown()
            );
        }
        // Nor does it sign in.
        if signature != sign_in {
            let body = json!({ "message": "/identity/delete", "signature": signature });
            let answer = Call::post("/api/v1/auth/verify", body.to_string());
            assert_eq!(world.send(answer).await.status, 401, "{what}");
        }
    }
    assert_eq!(alice.address(), key(SEED).public_key());
    let identity = world.store.identity(alice.address()).await.unwrap();
    assert!(identity.is_some());
    assert_eq!(world.store.audit_head().await.unwrap(), head);
}
