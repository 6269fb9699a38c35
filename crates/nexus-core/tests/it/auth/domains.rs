//! A signature made for one thing is worth nothing for another (T04).

use std::cell::Cell;

use nexus_core::auth::SigningKey;
use nexus_core::auth::request::{Component, Content, Target, signature_base};
use nexus_core::auth::sign_in::{Message, message_for};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::world::{Request, key, now, present, sign_in_rules, terms};

fn sign_in_text() -> String {
    let challenge = sign_in_rules().issue(now()).unwrap();
    message_for(&challenge, key(1).public_key())
}

const ALL: [Component; 6] = [
    Component::Method,
    Component::Authority,
    Component::Path,
    Component::Query,
    Component::ContentType,
    Component::ContentDigest,
];

/// Presents the signature of any text as that of a request.
fn present_as_request(signer: &SigningKey, text: &[u8]) -> &'static str {
    let mut request = Request::post("/api/v1/config", None, "{}").signed_with(signer, &terms());
    let signature = signer.sign_message(text).to_base64();
    *request.header("signature") = format!("eth=:{signature}:").into_bytes();
    request.present().unwrap_err().code()
}

#[test]
fn t04_a_signature_of_sign_in_opens_no_request() {
    let code = present_as_request(&key(1), sign_in_text().as_bytes());
    assert!(["other_key", "signature_no_key"].contains(&code), "{code}");
}

#[test]
fn t04_the_signature_of_a_request_does_not_sign_in() {
    let mut request = Request::post("/api/v1/config", None, "{}").signed();
    let header = String::from_utf8(request.header("signature").clone()).unwrap();
    let base64 = header.strip_prefix("eth=:").unwrap().strip_suffix(':');
    let signature = nexus_core::auth::Signature::from_base64(base64.unwrap()).unwrap();
    let refusal = sign_in_rules().verify(&sign_in_text(), &signature.to_string(), now());
    let code = refusal.unwrap_err().code();
    assert!(["other_key", "signature_no_key"].contains(&code), "{code}");
}

#[test]
fn t04_a_signature_over_a_path_or_a_body_alone_is_worth_nothing() {
    // What the original accepted.
    for text in ["/identity/delete", "{}", "", "Some data"] {
        let code = present_as_request(&key(1), text.as_bytes());
        assert!(["other_key", "signature_no_key"].contains(&code), "{code}");
        assert_eq!(present(text, now()).unwrap_err().code(), "malformed");
    }
}

/// S15: whatever a request says, even the words of a sign-in, what is signed of it is no sign-in.
/// Many requests cannot be signed at all: those that can are counted.
#[test]
fn t04_no_text_is_both() {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2_000));
    let signed = Cell::new(0);
    let method = "[A-Za-z!$%&'*+.^_`|~-]{1,8}".boxed();
    let parts = [method, visible(), visible(), visible(), line(), line()];
    let parts = (parts.map(mostly), 0..=ALL.len(), any::<Vec<u8>>());
    let outcome = runner.run(&parts, |(parts, count, body)| {
        let [method, authority, path, query, media_type, input] = &parts;
        let path = format!("/{path}");
        let target = Target {
            method,
            authority,
            path: &path,
            query: Some(query),
        };
        let content = Content {
            media_type,
            body: &body,
        };
        if let Ok(base) = signature_base(target, Some(&content), &ALL[..count], input) {
            signed.set(signed.get() + 1);
            prop_assert!(base.starts_with('"'));
            prop_assert!(Message::parse(&base).is_err());
            prop_assert!(present(&base, now()).is_err());
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(signed.get() > 500, "{}", signed.get());
}

/// What can stand there, and now and then something else.
fn mostly(usual: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    prop_oneof![9 => usual, 1 => hostile()]
}

/// What an authority, a path or a query may hold, the words of a sign-in among it.
fn visible() -> BoxedStrategy<String> {
    let words = sign_in_text().replace(char::is_whitespace, "-");
    let words = words.replace(['?', '#'], "-");
    prop_oneof!["[!\"$->@-~]{1,40}", Just(words)].boxed()
}

/// What a header may hold.
fn line() -> BoxedStrategy<String> {
    prop_oneof!["[ -~]{0,60}", Just(sign_in_text().replace('\n', " "))].boxed()
}

proptest! {
    /// What sign-in takes starts with the configured domain, and no base does.
    #[test]
    fn t04_what_signs_in_is_no_base(text in hostile()) {
        if present(&text, now()).is_ok() {
            prop_assert!(!text.starts_with('"'));
        }
        let code = present_as_request(&key(1), text.as_bytes());
        prop_assert!(["other_key", "signature_no_key"].contains(&code));
    }
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z]{1,8}",
        "[!-~]{1,30}",
        "\\PC{0,30}",
        "[\\x00-\\x7f]{0,30}",
        Just(sign_in_text()),
        Just(sign_in_text().replace('\n', "\\n")),
        Just(format!("x\n{}", sign_in_text())),
        Just("\"@method\": POST\n\"@authority\": nexus.example.org".to_owned()),
    ]
}
