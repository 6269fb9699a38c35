//! What is done with hostile bytes. Each function takes any, and panics when a promise is broken.

mod oracle;
mod request;
#[allow(dead_code, unreachable_pub, reason = "a source file of another crate, as it is")]
#[path = "../../crates/nexus-llm/src/sse.rs"]
#[rustfmt::skip]
mod sse;

use std::io;

use nexus_core::auth::request::{SignatureInput, parse_signature};
use nexus_core::auth::sign_in::Message;
use nexus_core::auth::{NonceKey, Origin, RequestRules, SignInRules, Signature, SigningKey};
use nexus_core::{Token, TokenKind};

pub use crate::oracle::{accepts_request, accepts_sign_in, at_once};
pub use crate::request::Request;

/// The statement of the texts in the corpus.
pub const STATEMENT: &str =
    "Sign in to Nexus. This does not cost anything and authorizes no change.";

/// When the texts and requests in the corpus were made.
pub const MADE_AT: i64 = 1_795_379_400;

/// The key that made them.
pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32]).expect("a key")
}

/// The installation that they are for.
pub fn origin() -> Origin {
    "https://nexus.example.org".parse().expect("an origin")
}

/// What it accepts for sign-in.
pub fn sign_in_rules() -> SignInRules {
    let secret = NonceKey::from_bytes([7; 32]);
    SignInRules::new(&origin(), 1, STATEMENT, secret).expect("a statement")
}

/// What it accepts for a request.
pub fn request_rules() -> RequestRules {
    RequestRules::new([&origin()], 1)
}

/// A sign-in text: signed, it is accepted only if it has one spelling and `siwe` accepts it.
pub fn siwe_parse(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let Ok((message, _)) = Message::parse(text) else {
        let now = chrono::DateTime::UNIX_EPOCH;
        assert!(sign_in_rules().verify(text, "", now).is_err());
        return;
    };
    let again = message.to_string();
    let (reread, _) = Message::parse(&again).expect("what was written is read");
    assert_eq!(reread.to_string(), again);
    let signature = key().sign_message(bytes);
    let verified = sign_in_rules().verify(text, &signature.to_string(), message.issued_at);
    if let Ok(signed_in) = verified {
        assert_eq!(again, text);
        assert_eq!(signed_in.key, key().public_key());
        assert!(accepts_sign_in(text, &signature), "siwe refuses {text}");
    }
}

/// A signed request: it is accepted only if `erc8128` accepts it. Its own signature is tried first;
/// then it is signed again, so that changes behind the check of the signature are seen too.
pub fn sig_headers(bytes: &[u8]) {
    let Some(mut request) = Request::parse(bytes) else {
        return;
    };
    compare(&request);
    let header = |name: &str| {
        let found = request.headers.iter().find(|(other, _)| *other == name);
        found.and_then(|(_, value)| str::from_utf8(value).ok())
    };
    if let Some(value) = header("signature") {
        if let Ok(base64) = parse_signature(value) {
            if let Ok(signature) = Signature::from_base64(base64) {
                assert_eq!(
                    Signature::from_base64(&signature.to_base64()),
                    Ok(signature)
                );
            }
        }
    }
    let Some(Ok(input)) = header("signature-input").map(SignatureInput::parse) else {
        return;
    };
    let Some(signature) = request.sign(&input) else {
        return;
    };
    let signature = format!("eth=:{}:", signature.to_base64()).into_bytes();
    request.headers.retain(|(name, _)| *name != "signature");
    request.headers.push(("signature", signature));
    compare(&request);
}

fn compare(request: &Request<'_>) {
    let now = chrono::DateTime::from_timestamp(MADE_AT, 0).expect("a time");
    // The case of a method counts in RFC 9421; the crate writes all in upper case.
    let is_lower = |method: &str| method.bytes().any(|byte| byte.is_ascii_lowercase());
    if let Ok(signed) = request.verify(now)
        && !is_lower(request.target.method)
    {
        let theirs = accepts_request(request, MADE_AT);
        assert_eq!(theirs, Some(*signed.key.as_bytes()), "{request:?}");
    }
}

/// A bearer token: what is accepted has the form of its kind.
pub fn token_parse(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let Ok(token) = Token::parse(text) else {
        return;
    };
    assert_eq!(token.reveal(), text);
    let length = match token.kind() {
        TokenKind::Development | TokenKind::Session | TokenKind::Browser => 4 + 43 + 6,
        TokenKind::ApiKey => 4 + 12 + 1 + 43 + 6,
    };
    assert_eq!(text.len(), length);
    assert!(text.starts_with(token.kind().prefix()));
    let id = token.api_key_id();
    assert_eq!(id.is_some(), token.kind() == TokenKind::ApiKey);
    assert!(id.is_none_or(|id| text[4..16] == id.to_string()));
}

/// An event stream: the first byte decides how the others are split, and it makes no difference.
pub fn sse_decoder(bytes: &[u8]) {
    let Some((split, stream)) = bytes.split_first() else {
        return;
    };
    let whole = events([stream]);
    let pieces = stream.chunks(usize::from(*split) % 16 + 1);
    assert_eq!(events(pieces), whole);
}

fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut decoder = sse::Decoder::new();
    let mut events = Vec::new();
    let mut drain = |decoder: &mut sse::Decoder| {
        while let Ok(Some(event)) = decoder.next() {
            events.push(event.to_owned());
        }
    };
    for piece in pieces {
        decoder.push(piece);
        drain(&mut decoder);
    }
    decoder.end();
    drain(&mut decoder);
    events
}

/// Runs the files that are named on the command line.
///
/// # Errors
/// When one cannot be read.
pub fn run_files(target: fn(&[u8])) -> io::Result<()> {
    for file in std::env::args_os().skip(1) {
        target(&std::fs::read(file)?);
    }
    Ok(())
}
