//! Signed requests: HTTP message signatures (RFC 9421) in the profile of ERC-8128, made stricter.
//! <https://www.rfc-editor.org/rfc/rfc9421> <https://eips.ethereum.org/EIPS/eip-8128>

mod base;
mod fields;
mod refusal;
mod sign;

use chrono::DateTime;

pub use base::{Content, InvalidTarget, Target, signature_base};
pub use fields::{Component, InputError, SignatureInput, parse_signature};
pub use refusal::RequestRefusal;
pub use sign::{SignatureHeaders, SignatureTerms, sign};

use self::base::content_digest;
use super::nonce::Purpose;
use super::{CLOCK_SKEW, LONGEST_VALIDITY, Origin, Signature};
use crate::{NonceId, PublicKey, Timestamp};

/// A request, as it was received.
#[derive(Clone, Copy, Debug)]
pub struct RequestToVerify<'a> {
    /// Where it goes.
    pub target: Target<'a>,
    /// The exact bytes, before anything reads them; empty if there is none.
    pub body: &'a [u8],
    /// Every header line, name and value. Names in any case; a header that is there twice is in the
    /// list twice.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// What signed requests are checked against. It comes from boot configuration.
#[derive(Clone, Debug)]
pub struct RequestRules {
    authorities: Vec<String>,
    chain_id: u64,
}

/// A request that was signed. The nonce is still to be used up by the caller, which is what makes a
/// replay fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// Whose signature it is: recovered, and the one that the request names.
    pub key: PublicKey,
    /// To be inserted once; if it is there already, this is a replay.
    pub nonce_id: NonceId,
    /// The last second of the signature. The nonce is kept until then, and [`CLOCK_SKEW`] longer.
    pub expires_at: Timestamp,
    /// For the record.
    pub signature: Signature,
}

/// What is read from the headers before anything is compared.
struct Presented<'a> {
    input: SignatureInput<'a>,
    signature: &'a str,
    content: Option<PresentedContent<'a>>,
}

struct PresentedContent<'a> {
    media_type: &'a str,
    digest: &'a str,
}

impl RequestRules {
    /// The rules of an installation that is reached at these origins.
    #[must_use]
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a Origin>, chain_id: u64) -> Self {
        let authorities = origins.into_iter().map(|it| it.authority().to_owned());
        Self {
            authorities: authorities.collect(),
            chain_id,
        }
    }

    /// Checks a signed request. What costs most comes last.
    ///
    /// # Errors
    /// The reason; its code may be shown to the client.
    pub fn verify(
        &self,
        request: &RequestToVerify<'_>,
        now: Timestamp,
    ) -> Result<SignedRequest, RequestRefusal> {
        let target = request.target;
        target
            .check()
            .map_err(|InvalidTarget| RequestRefusal::Target)?;
        let authority = target.authority.to_ascii_lowercase();
        if !self.authorities.contains(&authority) {
            return Err(RequestRefusal::Authority);
        }
        let presented = Presented::read(request)?;
        let input = &presented.input;
        check_components(&input.components, target, presented.content.is_some())?;
        let expires_at = check_times(input, now)?;
        check_nonce(input.nonce)?;
        let named = self.key_named_by(input.key_id)?;
        let content = match &presented.content {
            Some(content) if content.digest == content_digest(request.body) => Some(Content {
                media_type: content.media_type,
                body: request.body,
            }),
            Some(_) => return Err(RequestRefusal::ContentDigest),
            None => None,
        };
        let signature = Signature::from_base64(presented.signature);
        let signature = signature.map_err(RequestRefusal::Signature)?;
        let base = base::write(target, content.as_ref(), &input.components, input.text);
        let key = signature.recover(base.as_bytes());
        let key = key.map_err(RequestRefusal::Signature)?;
        if key != named {
            return Err(RequestRefusal::OtherKey);
        }
        Ok(SignedRequest {
            key,
            nonce_id: NonceId::new(Purpose::Request, key, input.nonce),
            expires_at,
            signature,
        })
    }

    fn key_named_by(&self, key_id: &str) -> Result<PublicKey, RequestRefusal> {
        let rest = key_id.strip_prefix("erc8128:");
        let (chain, address) = rest
            .and_then(|rest| rest.split_once(':'))
            .ok_or(RequestRefusal::KeyId)?;
        // Compared as text: a number has other spellings.
        if chain != self.chain_id.to_string() {
            return Err(RequestRefusal::ChainId);
        }
        address.parse().map_err(|_| RequestRefusal::KeyId)
    }
}

impl<'a> Presented<'a> {
    fn read(request: &RequestToVerify<'a>) -> Result<Self, RequestRefusal> {
        let input = only(request, "signature-input", RequestRefusal::SignatureInput)?;
        let input = SignatureInput::parse(input)?;
        let signature = only(request, "signature", RequestRefusal::SignatureHeader)?;
        let signature = parse_signature(signature)?;
        let content = if request.body.is_empty() {
            None
        } else {
            Some(PresentedContent {
                media_type: only(request, "content-type", RequestRefusal::ContentType)?,
                digest: only(
                    request,
                    "content-digest",
                    RequestRefusal::ContentDigestHeader,
                )?,
            })
        };
        Ok(Self {
            input,
            signature,
            content,
        })
    }
}

/// The value of a header that is there exactly once, in visible ASCII.
fn only<'a>(
    request: &RequestToVerify<'a>,
    name: &str,
    refusal: RequestRefusal,
) -> Result<&'a str, RequestRefusal> {
    let mut values = request
        .headers
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| *value);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(refusal);
    };
    let value = str::from_utf8(value).map_err(|_| refusal)?;
    let value = value.trim_matches([' ', '\t']);
    let is_visible = |byte: u8| matches!(byte, b' '..=b'~');
    if !value.is_empty() && value.bytes().all(is_visible) {
        Ok(value)
    } else {
        Err(refusal)
    }
}

/// Exactly what the request has, in any order: standard signers differ in it, and the order is
/// itself signed.
fn check_components(
    covered: &[Component],
    target: Target<'_>,
    has_content: bool,
) -> Result<(), RequestRefusal> {
    let expected = Component::of(target, has_content);
    let is_exact = covered.len() == expected.len()
        && expected.iter().all(|component| covered.contains(component));
    if is_exact {
        Ok(())
    } else {
        Err(RequestRefusal::Components)
    }
}

fn check_times(input: &SignatureInput<'_>, now: Timestamp) -> Result<Timestamp, RequestRefusal> {
    let moment = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(RequestRefusal::Times);
    let (created, expires) = (moment(input.created)?, moment(input.expires)?);
    if created > now + CLOCK_SKEW {
        return Err(RequestRefusal::CreatedInTheFuture);
    }
    if expires <= created {
        return Err(RequestRefusal::ExpiresBeforeCreated);
    }
    if expires - created > LONGEST_VALIDITY {
        return Err(RequestRefusal::ValidForTooLong);
    }
    if now > expires {
        return Err(RequestRefusal::Expired);
    }
    Ok(expires)
}

fn check_nonce(nonce: &str) -> Result<(), RequestRefusal> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (16..=64).contains(&nonce.len()) && nonce.bytes().all(valid) {
        Ok(())
    } else {
        Err(RequestRefusal::NonceForm)
    }
}
