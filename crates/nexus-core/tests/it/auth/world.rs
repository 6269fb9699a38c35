//! One installation and one person with a key.

use chrono::DateTime;
use nexus_core::Timestamp;
use nexus_core::auth::request::{Content, SignatureTerms, Target, sign};
use nexus_core::auth::{
    NonceKey, Origin, RequestRefusal, RequestRules, RequestToVerify, SignInRefusal, SignInRules,
    SignedIn, SignedRequest, SigningKey,
};

pub(crate) const STATEMENT: &str =
    "Sign in to Nexus. This does not cost anything and authorizes no change.";

pub(crate) fn at(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub(crate) fn now() -> Timestamp {
    at("2026-11-22T20:30:00Z")
}

/// The key of which each byte is the same.
pub(crate) fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32]).unwrap()
}

pub(crate) fn origin() -> Origin {
    "https://nexus.example.org".parse().unwrap()
}

pub(crate) fn sign_in_rules() -> SignInRules {
    SignInRules::new(&origin(), 1, STATEMENT, NonceKey::from_bytes([7; 32])).unwrap()
}

pub(crate) fn request_rules() -> RequestRules {
    RequestRules::new([&origin()], 1)
}

/// Signs a text as a wallet does and presents it.
pub(crate) fn present(message: &str, now: Timestamp) -> Result<SignedIn, SignInRefusal> {
    let signature = key(1).sign_message(message.as_bytes()).to_string();
    sign_in_rules().verify(message, &signature, now)
}

/// A request that owns its parts, so that a test can change one.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn terms() -> SignatureTerms {
    SignatureTerms {
        chain_id: 1,
        created: now(),
        expires: now() + chrono::TimeDelta::seconds(60),
        nonce: "AAECAwQFBgcICQoLDA0ODw".to_owned(),
    }
}

impl Request {
    pub(crate) fn post(path: &str, query: Option<&str>, body: &str) -> Self {
        Self {
            method: "POST".to_owned(),
            authority: "nexus.example.org".to_owned(),
            path: path.to_owned(),
            query: query.map(ToOwned::to_owned),
            headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
            body: body.into(),
        }
    }

    /// The same without a body.
    pub(crate) fn delete(path: &str) -> Self {
        let mut request = Self::post(path, None, "");
        "DELETE".clone_into(&mut request.method);
        request.headers.clear();
        request
    }

    pub(crate) fn target(&self) -> Target<'_> {
        Target {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            query: self.query.as_deref(),
        }
    }

    pub(crate) fn signed(self) -> Self {
        self.signed_with(&key(1), &terms())
    }

    pub(crate) fn signed_with(mut self, key: &SigningKey, terms: &SignatureTerms) -> Self {
        let content = Content {
            media_type: "application/json",
            body: &self.body,
        };
        let headers = sign(key, self.target(), Some(&content), terms).unwrap();
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .collect();
        self.headers.extend(headers);
        self
    }

    pub(crate) fn header(&mut self, name: &str) -> &mut Vec<u8> {
        let header = self.headers.iter_mut().find(|(other, _)| other == name);
        &mut header.unwrap().1
    }

    /// Replaces a part of a header.
    pub(crate) fn replace(mut self, name: &str, from: &str, to: &str) -> Self {
        let value = String::from_utf8(self.header(name).clone()).unwrap();
        assert!(value.contains(from), "{value} has no {from}");
        *self.header(name) = value.replace(from, to).into_bytes();
        self
    }

    pub(crate) fn present(&self) -> Result<SignedRequest, RequestRefusal> {
        self.present_at(now())
    }

    pub(crate) fn present_at(&self, now: Timestamp) -> Result<SignedRequest, RequestRefusal> {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let request = RequestToVerify {
            target: self.target(),
            body: &self.body,
            headers: &headers,
        };
        request_rules().verify(&request, now)
    }
}
