//! What is signed of a request: one line for each covered component (RFC 9421, section 2.5).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::fields::Component;

/// Where a request goes, as it stands in the request and not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// `POST` and the like.
    pub method: &'a str,
    /// Host and port, as in the header `Host`, without a port that the scheme has anyway.
    pub authority: &'a str,
    /// From the first slash, percent-encoded as it was sent.
    pub path: &'a str,
    /// What follows the question mark, if there is one, even when nothing follows.
    pub query: Option<&'a str>,
}

/// A body that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// The value of `Content-Type`.
    pub media_type: &'a str,
    /// The exact bytes.
    pub body: &'a [u8],
}

/// A request with characters that no request has. Signed, they could pass for other lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the method, host, path, query or content type has characters that do not belong there")]
pub struct InvalidTarget;

impl Target<'_> {
    /// # Errors
    /// When a part has characters that it cannot have.
    pub(super) fn check(&self) -> Result<(), InvalidTarget> {
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_valid = !self.method.is_empty()
            && self.method.bytes().all(is_of_a_token)
            && !self.authority.is_empty()
            && is_visible(self.authority)
            && self.path.starts_with('/')
            && is_visible(self.path)
            && !self.path.contains(['?', '#'])
            && self
                .query
                .is_none_or(|query| is_visible(query) && !query.contains('#'));
        if is_valid { Ok(()) } else { Err(InvalidTarget) }
    }
}

/// RFC 9110, section 5.6.2.
fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The one spelling of `Content-Digest` (RFC 9530) that is accepted for a body.
pub(super) fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(body)))
}

/// The text that a signature of this request is over. `input` is what follows the label in
/// `Signature-Input`.
///
/// # Errors
/// When the request has characters that no request has.
pub fn signature_base(
    target: Target<'_>,
    content: Option<&Content<'_>>,
    components: &[Component],
    input: &str,
) -> Result<String, InvalidTarget> {
    target.check()?;
    let is_line = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_line(input) || !content.is_none_or(|content| is_line(content.media_type)) {
        return Err(InvalidTarget);
    }
    Ok(write(target, content, components, input))
}

/// The same, for parts that are known to be lines.
pub(super) fn write(
    target: Target<'_>,
    content: Option<&Content<'_>>,
    components: &[Component],
    input: &str,
) -> String {
    let mut base = String::with_capacity(512);
    for component in components {
        // Writing to a string does not fail.
        _ = write!(base, "\"{}\": ", component.name());
        match (component, content) {
            (Component::Method, _) => base.push_str(target.method),
            (Component::Authority, _) => base.push_str(&target.authority.to_ascii_lowercase()),
            (Component::Path, _) => base.push_str(target.path),
            (Component::Query, _) => {
                base.push('?');
                base.push_str(target.query.unwrap_or_default());
            }
            (Component::ContentType, Some(content)) => base.push_str(content.media_type),
            (Component::ContentDigest, Some(content)) => {
                base.push_str(&content_digest(content.body));
            }
            (Component::ContentType | Component::ContentDigest, None) => {}
        }
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(input);
    base
}
