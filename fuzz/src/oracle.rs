//! What implementations that share no code with Nexus say.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use erc8128::eoa::EoaVerifier;
use erc8128::{MemoryNonceStore, RejectReplayable, VerifyPolicy, verify_request};
use nexus_core::auth::Signature;

use crate::Request;

/// Whether `siwe` reads the text and takes the signature for that of its address.
pub fn accepts_sign_in(text: &str, signature: &Signature) -> bool {
    let Ok(message) = text.parse::<siwe::Message>() else {
        return false;
    };
    message.to_string() == text && message.verify_eip191(&signature.to_bytes()).is_ok()
}

/// The address that `erc8128` finds in a request.
pub fn accepts_request(request: &Request<'_>, now: i64) -> Option<[u8; 20]> {
    let target = request.target;
    let query = target.query.map(|query| format!("?{query}"));
    let url = format!(
        "https://{}{}{}",
        target.authority,
        target.path,
        query.unwrap_or_default()
    );
    let headers: Option<Vec<(&str, &str)>> = request
        .headers
        .iter()
        .map(|(name, value)| Some((*name, str::from_utf8(value).ok()?.trim())))
        .collect();
    let theirs = erc8128::Request {
        method: target.method,
        url: &url,
        headers: &headers?,
        body: (!request.body.is_empty()).then_some(request.body),
    };
    let policy = VerifyPolicy {
        label: Some("eth".to_owned()),
        strict_label: true,
        clock_skew_sec: 60,
        now: u64::try_from(now).ok(),
        additional_request_bound_components: (!request.body.is_empty())
            .then(|| vec!["content-type".to_owned()]),
        ..VerifyPolicy::default()
    };
    let (verifier, nonces) = (EoaVerifier, MemoryNonceStore::default());
    let verified = verify_request(&theirs, &verifier, &nonces, &RejectReplayable, &policy);
    Some(at_once(verified).ok()?.address.into())
}

/// The result of a future that waits for nothing.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
