//! Signed requests: the way through, and each way out.

use chrono::TimeDelta;
use nexus_core::NonceId;
use nexus_core::auth::request::{
    Component, Content, SignatureInput, SignatureTerms, Target, sign, signature_base,
};
use nexus_core::auth::{Purpose, RequestRefusal};
use proptest::prelude::*;

use super::world::{Request, key, now, terms};

fn request() -> Request {
    Request::post("/api/v1/config", Some("dry=1"), r#"{"temperature": 0.2}"#).signed()
}

#[test]
fn a_signed_request_proves_the_key() {
    for request in [
        Request::post("/api/v1/config", None, r#"{"temperature": 0.2}"#),
        Request::post("/api/v1/config", Some("dry=1&x=%20"), "{}"),
        Request::post("/api/v1/config", Some(""), "{}"),
        Request::delete("/api/v1/identity"),
    ] {
        let signed = request.signed().present().unwrap();
        assert_eq!(signed.key, key(1).public_key());
        assert_eq!(signed.expires_at, terms().expires);
        let id = NonceId::new(Purpose::Request, signed.key, &terms().nonce);
        assert_eq!(signed.nonce_id, id);
    }
}

#[test]
fn new_terms_are_good_for_a_minute_and_never_the_same() {
    let [a, b] = [(); 2].map(|()| SignatureTerms::new(1, now()).unwrap());
    assert_ne!(a.nonce, b.nonce);
    assert_eq!(a.nonce.len(), 22);
    let request = Request::delete("/api/v1/identity").signed_with(&key(1), &a);
    assert!(request.present_at(now() + TimeDelta::seconds(60)).is_ok());
    assert_eq!(
        request.present_at(now() + TimeDelta::seconds(61)),
        Err(RequestRefusal::Expired)
    );
}

/// One change of a valid request: each is noticed by a check of its own.
#[test]
fn t03_each_changed_part_is_refused_with_its_own_code() {
    let input = |from: &str, to: &str| request().replace("signature-input", from, to);
    let without = |name: &str| {
        let mut request = request();
        request.headers.retain(|(other, _)| other != name);
        request
    };
    let with = |change: fn(&mut Request)| {
        let mut request = request();
        change(&mut request);
        request
    };
    #[rustfmt::skip]
    let changes = [
        (with(|it| it.authority = "evil.example".to_owned()), "authority"),
        (with(|it| it.authority = "nexus.example.org:8000".to_owned()), "authority"),
        (with(|it| it.path = "/a b".to_owned()), "request_target"),
        (with(|it| it.method = "POST\n".to_owned()), "request_target"),
        (with(|it| it.query = None), "components"),
        (with(|it| it.body.clear()), "components"),
        (with(|it| it.body.push(b' ')), "content_digest"),
        (with(|it| *it.header("content-digest") = b"sha-512=:AA==:".to_vec()), "content_digest"),
        (without("content-type"), "content_type_header"),
        (without("content-digest"), "content_digest_header"),
        (without("signature-input"), "signature_input_header"),
        (without("signature"), "signature_header"),
        (input("eth=", "sig1="), "label"),
        (input("eth=(", "eth=( "), "signature_input_form"),
        (input(";created", "; created"), "signature_input_form"),
        (input("\"@path\"", "\"@path\";req"), "signature_input_form"),
        (input("\"@path\"", "\"@path\" \"@scheme\""), "unknown_component"),
        (input("\"@path\"", "\"@path\" \"@path\""), "repeated_component"),
        (input(" \"@path\"", ""), "components"),
        (input(" \"content-type\"", ""), "components"),
        (input(";keyid", ";alg=\"eip191\";keyid"), "unknown_parameter"),
        (input(";keyid", ";tag=\"x\";keyid"), "unknown_parameter"),
        (input(";created=1795379400", ";created=1795379400;created=1795379400"), "repeated_parameter"),
        (input(";nonce=\"AAECAwQFBgcICQoLDA0ODw\"", ""), "missing_parameter"),
        (input("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQo"), "nonce_form"),
        (input("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQo+DA0ODw"), "nonce_form"),
        (input("created=1795379400", "created=1795379461"), "created_in_the_future"),
        (input("expires=1795379460", "expires=1795379400"), "expires_before_created"),
        (input("expires=1795379460", "expires=1795379701"), "valid_for_too_long"),
        (input("created=1795379400;expires=1795379460", "created=1795379300;expires=1795379399"), "expired"),
        (input("created=1795379400", "created=999999999999999"), "times"),
        (input("created=1795379400", "created=1795379400.0"), "signature_input_form"),
        (input("created=1795379400", "created=01795379400"), "signature_input_form"),
        (input("created=1795379400", "created=-1"), "signature_input_form"),
        (input("erc8128:1", "erc8128:2"), "chain_id"),
        (input("erc8128:1", "erc8128:01"), "chain_id"),
        (input("erc8128:", "erc9999:"), "key_id"),
        (input("erc8128:1:0x1a64", "erc8128:1:0x1A64"), "key_id"),
        (input("erc8128:1:0x1a64", "erc8128:1:0x1a65"), "other_key"),
        (request().replace("signature", "eth=", "sig1="), "label"),
        (request().replace("signature", ":", ""), "signature_form"),
        (with(|it| *it.header("signature") = b"eth=:AAAA:".to_vec()), "signature_length"),
    ];
    for (request, code) in changes {
        assert_eq!(request.present().unwrap_err().code(), code, "{request:?}");
    }
    assert!(request().present().is_ok());
}

#[test]
fn t03_what_other_headers_say_of_the_host_does_not_count() {
    let mut request = request();
    for name in ["x-forwarded-host", "x-forwarded-proto", "forwarded", "host"] {
        request
            .headers
            .push((name.to_owned(), b"evil.example".to_vec()));
    }
    assert!(request.present().is_ok());
    request.authority = "evil.example".to_owned();
    request
        .headers
        .push(("x-forwarded-host".to_owned(), b"nexus.example.org".to_vec()));
    assert_eq!(request.present(), Err(RequestRefusal::Authority));
}

#[test]
fn t07_a_header_that_is_there_twice_is_refused() {
    for (name, code) in [
        ("content-type", "content_type_header"),
        ("content-digest", "content_digest_header"),
        ("signature-input", "signature_input_header"),
        ("signature", "signature_header"),
    ] {
        let mut request = request();
        let value = request.header(name).clone();
        request.headers.push((name.to_uppercase(), value));
        assert_eq!(request.present().unwrap_err().code(), code);
    }
}

#[test]
fn t07_two_signatures_in_one_header_are_refused() {
    for name in ["signature-input", "signature"] {
        for separator in [",", ", ", " ,"] {
            let mut request = request();
            let value = request.header(name);
            let second = String::from_utf8(value.clone())
                .unwrap()
                .replace("eth=", "eth2=");
            value.extend_from_slice(format!("{separator}{second}").as_bytes());
            let code = request.present().unwrap_err().code();
            assert_eq!(code, "several_signatures", "{request:?}");
        }
    }
}

#[test]
fn t07_another_spelling_of_the_same_json_is_another_body() {
    let mut request = request();
    request.body = br#"{"temperature":0.2}"#.to_vec();
    assert_eq!(request.present(), Err(RequestRefusal::ContentDigest));
    request.body = br#"{"temperature": 2, "temperature": 0.2}"#.to_vec();
    assert_eq!(request.present(), Err(RequestRefusal::ContentDigest));
}

#[test]
fn any_order_of_the_components_is_the_signers_choice_and_is_signed() {
    let request = request();
    let reordered = request.replace(
        "signature-input",
        "\"@method\" \"@authority\"",
        "\"@authority\" \"@method\"",
    );
    assert!(matches!(
        reordered.present(),
        Err(RequestRefusal::OtherKey | RequestRefusal::Signature(_))
    ));
}

/// Lines of RFC 9421, B.2.3 (the request of B.2), in its order; digest of RFC 9530, B.1.
#[test]
fn the_lines_of_the_standard_are_the_lines_that_are_signed() {
    let target = Target {
        method: "POST",
        authority: "example.com",
        path: "/foo",
        query: Some("param=Value&Pet=dog"),
    };
    let content = Content {
        media_type: "application/json",
        body: b"{\"hello\": \"world\"}\n",
    };
    let components = [
        Component::Method,
        Component::Path,
        Component::Query,
        Component::Authority,
        Component::ContentType,
        Component::ContentDigest,
    ];
    let base = signature_base(target, Some(&content), &components, "();created=1").unwrap();
    let expected = r#""@method": POST
"@path": /foo
"@query": ?param=Value&Pet=dog
"@authority": example.com
"content-type": application/json
"content-digest": sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:
"@signature-params": ();created=1"#;
    assert_eq!(base, expected);
}

#[test]
fn what_could_pass_for_another_line_is_not_signed() {
    let valid = request();
    let sign = |target: Target<'_>, media_type: &str| {
        let content = Content {
            media_type,
            body: b"{}",
        };
        sign(&key(1), target, Some(&content), &terms())
    };
    assert!(sign(valid.target(), "text/plain; charset=utf-8").is_ok());
    assert!(sign(valid.target(), "text/plain\n\"@path\": /x").is_err());
    for target in [
        Target {
            method: "GET\n",
            ..valid.target()
        },
        Target {
            method: "",
            ..valid.target()
        },
        Target {
            authority: "a\nb",
            ..valid.target()
        },
        Target {
            path: "/a\n",
            ..valid.target()
        },
        Target {
            path: "/ä",
            ..valid.target()
        },
        Target {
            path: "a",
            ..valid.target()
        },
        Target {
            path: "/a?b",
            ..valid.target()
        },
        Target {
            query: Some("a\nb"),
            ..valid.target()
        },
    ] {
        assert!(sign(target, "text/plain").is_err(), "{target:?}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted(
        path in "/[!->@-~&&[^#]]{0,40}",
        query in proptest::option::of("[!-~&&[^#]]{0,40}"),
        body in "\\PC{0,60}",
        method in "[A-Z]{1,10}",
        byte in 1..=254_u8,
    ) {
        let mut request = Request::post(&path, query.as_deref(), &body);
        request.method = method;
        let signed = request.signed_with(&key(byte), &terms()).present();
        prop_assert_eq!(signed.unwrap().key, key(byte).public_key());
    }

    #[test]
    fn any_header_is_read_or_refused(
        value in "(eth=\\()?[\"@a-z() ;=0-9:-]{0,80}",
    ) {
        if let Ok(input) = SignatureInput::parse(&value) {
            prop_assert_eq!(format!("eth={}", input.text), value);
        }
    }
}
