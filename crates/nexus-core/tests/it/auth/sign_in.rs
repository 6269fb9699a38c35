//! Sign-in: the way through, and each way out.

use chrono::TimeDelta;
use nexus_core::NonceId;
use nexus_core::auth::sign_in::{MAX_MESSAGE_BYTES, Message, message_for};
use nexus_core::auth::{NonceKey, Purpose, SignInRefusal, SignInRules};
use proptest::prelude::*;

use super::world::{STATEMENT, at, key, now, origin, present, sign_in_rules};

fn message() -> String {
    let challenge = sign_in_rules().issue(now()).unwrap();
    message_for(&challenge, key(1).public_key())
}

#[test]
fn a_signed_challenge_proves_the_key() {
    // Between two seconds: what is signed has none.
    let now = now() + TimeDelta::milliseconds(700);
    let challenge = sign_in_rules().issue(now).unwrap();
    let message = message_for(&challenge, key(1).public_key());
    let signed_in = present(&message, now + TimeDelta::seconds(299)).unwrap();
    assert_eq!(signed_in.key, key(1).public_key());
    assert_eq!(signed_in.expires_at, at("2026-11-22T20:35:00Z"));
    let id = NonceId::new(Purpose::SignIn, key(1).public_key(), &challenge.nonce);
    assert_eq!(signed_in.nonce_id, id);
}

#[test]
fn a_challenge_is_the_text_of_the_standard_with_a_place_for_the_address() {
    let challenge = sign_in_rules().issue(now()).unwrap();
    let expected = "nexus.example.org wants you to sign in with your Ethereum account:
{address}

Sign in to Nexus. This does not cost anything and authorizes no change.

URI: https://nexus.example.org/
Version: 1
Chain ID: 1
Nonce: NONCE
Issued At: 2026-11-22T20:30:00Z
Expiration Time: 2026-11-22T20:35:00Z";
    assert_eq!(
        challenge.message_template,
        expected.replace("NONCE", &challenge.nonce)
    );
    let sent = serde_json::to_value(&challenge).unwrap();
    assert_eq!(sent["issued_at"], "2026-11-22T20:30:00Z");
    assert_eq!(sent["expires_at"], "2026-11-22T20:35:00Z");
    assert_eq!(sent["nonce"].as_str().unwrap().len(), 64);
    assert_ne!(challenge.nonce, sign_in_rules().issue(now()).unwrap().nonce);
}

#[test]
fn every_node_with_the_same_secret_accepts_the_nonces_of_the_others() {
    let message = message();
    let signature = key(1).sign_message(message.as_bytes()).to_string();
    assert!(sign_in_rules().verify(&message, &signature, now()).is_ok());
    let other_secret = NonceKey::from_bytes([8; 32]);
    let stranger = SignInRules::new(&origin(), 1, STATEMENT, other_secret).unwrap();
    assert_eq!(
        stranger.verify(&message, &signature, now()),
        Err(SignInRefusal::NonceCode)
    );
}

/// One change of a valid text, signed again: only the check of that field can notice.
#[test]
fn t03_each_changed_field_is_refused_with_its_own_code() {
    let message = message();
    let nonce = &message[message.find("Nonce: ").unwrap() + 7..][..64];
    let other_nonce = format!("{}{}", &nonce[..63], u8::from(nonce.ends_with('0')));
    let long = format!("{STATEMENT}{}", " x".repeat(MAX_MESSAGE_BYTES / 2));
    let issued = "Issued At: 2026-11-22T20:30:00Z";
    let expires = "Expiration Time: 2026-11-22T20:35:00Z";
    let lower = key(1).public_key().to_string();
    let mixed = key(1).public_key().to_checksummed();
    #[rustfmt::skip]
    let changes = [
        (STATEMENT, &*long, "too_long"),
        ("Sign in", "Sign ín", "not_ascii"),
        ("\n\n", "\r\n\n", "carriage_return"),
        ("org wants", "com wants", "domain"),
        ("nexus.example.org wants", "NEXUS.example.org wants", "domain"),
        ("nexus.example.org wants", "nexus.example.org:8000 wants", "domain"),
        ("nexus.example.org wants", "https://nexus.example.org wants", "domain"),
        (" wants you", " asks you", "malformed"),
        (&*mixed, &*lower, "malformed"),
        (&*mixed, "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "other_key"),
        ("no change", "every change", "statement"),
        ("URI: https", "URI: http", "uri"),
        ("org/\n", "org\n", "uri"),
        ("Version: 1", "Version: 2", "version"),
        ("Chain ID: 1", "Chain ID: 2", "chain_id"),
        ("Chain ID: 1", "Chain ID: 01", "not_canonical"),
        ("Chain ID: 1", "Chain ID: +1", "not_canonical"),
        ("Chain ID: 1", "Chain ID: x", "malformed"),
        (nonce, &*other_nonce, "nonce_code"),
        (nonce, &nonce[..62], "nonce_form"),
        (nonce, &*format!("{nonce}00"), "nonce_form"),
        (nonce, "kEWepMt9knR6lWJ6A", "nonce_form"),
        (issued, "Issued At: 2026-11-22T20:24:59Z", "issued_too_long_ago"),
        (issued, "Issued At: 2026-11-22T20:31:01Z", "issued_in_the_future"),
        (issued, "Issued At: 2026-11-22T20:30:00.000Z", "malformed"),
        (issued, "Issued At: 2026-11-22T20:30:00+00:00", "malformed"),
        (issued, "Issued At: 2026-11-22T20:29:60Z", "malformed"),
        (expires, "Expiration Time: 2026-11-22T20:30:00Z", "expires_before_issued"),
        (expires, "Expiration Time: 2026-11-22T20:35:01Z", "valid_for_too_long"),
        (&*format!("\n{expires}"), "", "malformed"),
        (expires, &*format!("{expires}\n"), "malformed"),
        (expires, &*format!("{expires}\nNot Before: 2026-11-22T20:30:00Z"), "malformed"),
        (expires, &*format!("{expires}\nRequest ID: 1"), "malformed"),
        (expires, &*format!("{expires}\nResources:\n- https://a.example"), "malformed"),
    ];
    for (from, to, code) in changes {
        assert!(message.contains(from), "{from}");
        let text = message.replacen(from, to, 1);
        assert_eq!(present(&text, now()).unwrap_err().code(), code, "{text}");
    }
    assert!(present(&message, now()).is_ok());
}

#[test]
fn t03_the_time_decides() {
    let message = message();
    for (seconds, code) in [
        (-61, "issued_in_the_future"),
        (300, "expired"),
        (301, "issued_too_long_ago"),
        (86_400, "issued_too_long_ago"),
    ] {
        let now = now() + TimeDelta::seconds(seconds);
        assert_eq!(present(&message, now).unwrap_err().code(), code);
    }
    for seconds in [-60, 0, 299] {
        assert!(present(&message, now() + TimeDelta::seconds(seconds)).is_ok());
    }
}

#[test]
fn t03_a_nonce_that_was_kept_for_later_is_refused() {
    let old = sign_in_rules()
        .issue(now() - TimeDelta::seconds(301))
        .unwrap();
    let fresh = sign_in_rules().issue(now()).unwrap();
    let message = message_for(&fresh, key(1).public_key());
    let changed = message.replace(&fresh.nonce, &old.nonce);
    assert_eq!(present(&changed, now()), Err(SignInRefusal::NonceTooOld));
}

#[test]
fn t03_a_signature_of_another_key_or_text_is_refused() {
    let message = message();
    let verify = |signature: &str| {
        let refusal = sign_in_rules().verify(&message, signature, now());
        refusal.unwrap_err().code()
    };
    let valid = key(1).sign_message(message.as_bytes()).to_string();
    let other = key(2).sign_message(message.as_bytes()).to_string();
    assert_eq!(verify(&other), "other_key");
    let other = key(1).sign_message(b"Some data").to_string();
    assert!(["other_key", "signature_no_key"].contains(&verify(&other)));
    assert_eq!(verify(&valid[..130]), "signature_length");
    assert_eq!(verify(""), "signature_encoding");
    assert_eq!(
        verify(&format!("{}1d", &valid[..130])),
        "signature_recovery_id"
    );
}

#[test]
fn a_client_is_told_the_same_whatever_is_wrong() {
    let told = [
        SignInRefusal::Domain.to_string(),
        SignInRefusal::Expired.to_string(),
        SignInRefusal::NonceCode.to_string(),
        SignInRefusal::OtherKey.to_string(),
    ];
    assert!(told.iter().all(|text| *text == told[0]));
}

#[test]
fn a_statement_is_one_line_of_the_grammar() {
    let rules =
        |statement: &str| SignInRules::new(&origin(), 1, statement, NonceKey::from_bytes([7; 32]));
    for wrong in ["", "a\nb", "{address}", "ä", "a\"b", &"x".repeat(257)] {
        assert!(rules(wrong).is_err(), "{wrong}");
    }
    assert!(rules(&"x".repeat(256)).is_ok());
}

#[test]
fn secrets_of_sign_in_cannot_be_printed() {
    let shown = format!("{:?} {:?}", sign_in_rules(), NonceKey::from_bytes([7; 32]));
    assert!(
        !shown.contains("7, 7") && !shown.contains("0707"),
        "{shown}"
    );
}

/// The examples of EIP-4361 are sign-in texts, and none that we hand out.
#[test]
fn the_examples_of_the_standard_are_not_ours() {
    let with_everything = "example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json";
    assert!(Message::parse(with_everything).is_err());
    let ours = with_everything.split("\nResources").next().unwrap();
    assert!(Message::parse(ours).is_err());
    let ours = format!("{ours}\nExpiration Time: 2021-09-30T16:30:24Z");
    let (message, key) = Message::parse(&ours).unwrap();
    assert_eq!(message.to_string(), ours);
    assert_eq!(key.to_checksummed(), message.address);
    assert_eq!(message.uri, "https://example.com/login");
    assert_eq!(present(&ours, now()), Err(SignInRefusal::Domain));
    let no_statement = ours.replace(
        "I accept the ExampleOrg Terms of Service: https://example.com/tos\n",
        "",
    );
    assert!(Message::parse(&no_statement).is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        statement in "[ -~]{0,80}",
        domain in "[!-~]{1,40}",
        chain_id: u64,
        bytes: [u8; 20],
        seconds in 0..4_000_000_000_i64,
    ) {
        let key = nexus_core::PublicKey::from_bytes(bytes);
        let moment = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        let address = key.to_checksummed();
        let message = Message {
            domain: &domain,
            address: &address,
            statement: &statement,
            uri: "https://nexus.example.org/",
            version: "1",
            chain_id,
            nonce: "0",
            issued_at: moment,
            expires_at: moment,
        };
        let text = message.to_string();
        prop_assert_eq!(Message::parse(&text), Ok((message, key)));
    }
}
