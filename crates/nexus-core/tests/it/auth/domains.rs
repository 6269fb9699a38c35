//! A signature made for one thing is worth nothing for another (T04).

use nexus_core::auth::SigningKey;
use nexus_core::auth::request::{Component, Content, Target, signature_base};
use nexus_core::auth::sign_in::Message;
use proptest::prelude::*;

use super::world::{Request, key, now, present, sign_in_rules, terms};

fn sign_in_text() -> String {
    let challenge = sign_in_rules().issue(now()).unwrap();
    challenge.message_for(key(1).public_key())
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever a request says, even the words of a sign-in, what is signed of it is no sign-in.
    #[test]
    fn t04_no_text_is_both(
        parts in prop::collection::vec(hostile(), 6),
        count in 0..=ALL.len(),
        body: Vec<u8>,
    ) {
        let [method, authority, path, query, media_type, input] = &parts[..] else { unreachable!() };
        let path = format!("/{path}");
        let target = Target { method, authority, path: &path, query: Some(query) };
        let content = Content { media_type, body: &body };
        if let Ok(base) = signature_base(target, Some(&content), &ALL[..count], input) {
            prop_assert!(base.starts_with('"'));
            prop_assert!(Message::parse(&base).is_err());
            prop_assert!(present(&base, now()).is_err());
        }
    }

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
