//! A signed request, read from bytes: method, authority, path, query (with its question mark, or a dash) and
//! headers, each on a line of its own; an empty line; the body.

use nexus_core::Timestamp;
use nexus_core::auth::request::{Content, SignatureInput, Target, signature_base};
use nexus_core::auth::{RequestRefusal, RequestToVerify, Signature, SignedRequest};

/// A request, borrowed from the bytes that it was read from.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Where it goes.
    pub target: Target<'a>,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// The exact bytes.
    pub body: &'a [u8],
}

const HEADERS: [&str; 4] = [
    "content-type",
    "content-digest",
    "signature-input",
    "signature",
];

impl<'a> Request<'a> {
    /// Nothing, when the bytes are not of the form.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let (head, body) = (&bytes[..end], &bytes[end + 2..]);
        let mut lines = head.split(|byte| *byte == b'\n');
        let mut line = || str::from_utf8(lines.next()?).ok();
        let (method, authority, path, query) = (line()?, line()?, line()?, line()?);
        let headers = lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = str::from_utf8(&line[..colon]).ok()?;
            let name = HEADERS.into_iter().find(|other| *other == name)?;
            Some((name, line[colon + 1..].trim_ascii_start().to_vec()))
        });
        Some(Self {
            target: Target {
                method,
                authority,
                path,
                query: query.strip_prefix('?'),
            },
            headers: headers.collect(),
            body,
        })
    }

    /// What Nexus says to it.
    ///
    /// # Errors
    /// When it is refused.
    pub fn verify(&self, now: Timestamp) -> Result<SignedRequest, RequestRefusal> {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let request = RequestToVerify {
            target: self.target,
            body: self.body,
            headers: &headers,
        };
        crate::request_rules().verify(&request, now)
    }

    /// Signs what the header says, whatever it says.
    pub fn sign(&self, input: &SignatureInput<'_>) -> Option<Signature> {
        let media_type = self
            .headers
            .iter()
            .find(|(name, _)| *name == "content-type");
        let media_type = media_type.and_then(|(_, value)| str::from_utf8(value).ok());
        let content = media_type.map(|media_type| Content {
            media_type: media_type.trim_matches([' ', '\t']),
            body: self.body,
        });
        let base = signature_base(self.target, content.as_ref(), &input.components, input.text);
        Some(crate::key().sign_message(base.ok()?.as_bytes()))
    }
}
