//! Signing a request: what a client of ours does.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{SubsecRound as _, TimeDelta};

use super::base::{Content, InvalidTarget, Target, content_digest, signature_base};
use super::fields::{Component, LABEL};
use crate::Timestamp;
use crate::auth::SigningKey;

/// How long the signature of a request that is sent at once is valid.
const VALIDITY: TimeDelta = TimeDelta::seconds(60);

/// What a signature says besides the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureTerms {
    /// That of the server.
    pub chain_id: u64,
    /// Whole seconds are signed.
    pub created: Timestamp,
    /// At most 300 s later.
    pub expires: Timestamp,
    /// 16 to 64 letters, digits, `-` and `_`, never used before by this key.
    pub nonce: String,
}

impl SignatureTerms {
    /// Terms for a request that is sent at once: valid for a minute, with a new nonce.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn new(chain_id: u64, now: Timestamp) -> Result<Self, getrandom::Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        let created = now.trunc_subsecs(0);
        Ok(Self {
            chain_id,
            created,
            expires: created + VALIDITY,
            nonce: BASE64_URL_SAFE_NO_PAD.encode(nonce),
        })
    }
}

/// The headers to add to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// `Content-Digest`, if there is a body.
    pub content_digest: Option<String>,
    /// `Signature-Input`.
    pub signature_input: String,
    /// `Signature`.
    pub signature: String,
}

impl SignatureHeaders {
    /// Names, in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let digest = self.content_digest.as_deref();
        digest
            .map(|digest| ("content-digest", digest))
            .into_iter()
            .chain([
                ("signature-input", &*self.signature_input),
                ("signature", &*self.signature),
            ])
    }
}

/// Signs a request. An empty body is no body.
///
/// # Errors
/// When the request has characters that no request has.
pub fn sign(
    key: &SigningKey,
    target: Target<'_>,
    content: Option<&Content<'_>>,
    terms: &SignatureTerms,
) -> Result<SignatureHeaders, InvalidTarget> {
    let content = content.filter(|content| !content.body.is_empty());
    let components = Component::of(target, content.is_some());
    let names: Vec<_> = components
        .iter()
        .map(|component| format!("\"{}\"", component.name()))
        .collect();
    let input = format!(
        "({});created={};expires={};nonce=\"{}\";keyid=\"erc8128:{}:{}\"",
        names.join(" "),
        terms.created.timestamp(),
        terms.expires.timestamp(),
        terms.nonce,
        terms.chain_id,
        key.public_key(),
    );
    let base = signature_base(target, content, &components, &input)?;
    let signature = key.sign_message(base.as_bytes()).to_base64();
    Ok(SignatureHeaders {
        content_digest: content.map(|content| content_digest(content.body)),
        signature_input: format!("{LABEL}={input}"),
        signature: format!("{LABEL}=:{signature}:"),
    })
}
