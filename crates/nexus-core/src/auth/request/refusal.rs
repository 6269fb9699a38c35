//! Why a signed request was refused.

use super::fields::InputError;
use crate::auth::SignatureError;

/// Why a signed request was refused. Code and text may be shown to the client: they tell what is
/// expected and nothing about anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// Method, path or query has characters that do not belong there.
    #[error("the method, the path or the query has characters that must be percent-encoded")]
    Target,
    /// For another host.
    #[error("the request is for another host than this server is known by")]
    Authority,
    /// The header is missing, empty, there twice or not in ASCII.
    #[error("expected exactly one header Signature-Input, in ASCII")]
    SignatureInput,
    /// The header is missing, empty, there twice or not in ASCII.
    #[error("expected exactly one header Signature, in ASCII")]
    SignatureHeader,
    /// The header is missing, empty, there twice or not in ASCII.
    #[error("a signed body needs exactly one header Content-Type, in ASCII")]
    ContentType,
    /// The header is missing, empty, there twice or not in ASCII.
    #[error("a signed body needs exactly one header Content-Digest, in ASCII")]
    ContentDigestHeader,
    /// What `Signature-Input` or `Signature` says.
    #[error(transparent)]
    Input(#[from] InputError),
    /// More or fewer than those that have to be covered.
    #[error(
        "the signature must cover exactly @method, @authority, @path, @query if there is one, and content-type and content-digest if there is a body"
    )]
    Components,
    /// A time that no calendar has.
    #[error("created and expires are seconds since 1970")]
    Times,
    /// Created more than 60 s from now.
    #[error("the signature is from the future: check the clock")]
    CreatedInTheFuture,
    /// Over before it began.
    #[error("the signature expires before it is created")]
    ExpiresBeforeCreated,
    /// Valid for more than 300 s.
    #[error("a signature is valid for at most 300 seconds")]
    ValidForTooLong,
    /// Over.
    #[error("the signature has expired: sign again, and check the clock")]
    Expired,
    /// Not 16 to 64 letters, digits, - and _.
    #[error("expected a nonce of 16 to 64 letters, digits, - and _")]
    NonceForm,
    /// Not `erc8128:<chain>:<address>`.
    #[error("expected a keyid erc8128:<chain>:<address>")]
    KeyId,
    /// Another chain.
    #[error("the keyid names another chain than this server expects")]
    ChainId,
    /// The digest is not the SHA-256 of the body, or not spelled as expected.
    #[error("Content-Digest is not sha-256=:…: of the body as it arrived")]
    ContentDigest,
    /// The signature is no signature.
    #[error(transparent)]
    Signature(SignatureError),
    /// Signed by another key than it names, or over another request.
    #[error("the signature is not one of this request by the key that it names")]
    OtherKey,
}

impl RequestRefusal {
    /// A stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Target => "request_target",
            Self::Authority => "authority",
            Self::SignatureInput => "signature_input_header",
            Self::SignatureHeader => "signature_header",
            Self::ContentType => "content_type_header",
            Self::ContentDigestHeader => "content_digest_header",
            Self::Input(error) => error.code(),
            Self::Components => "components",
            Self::Times => "times",
            Self::CreatedInTheFuture => "created_in_the_future",
            Self::ExpiresBeforeCreated => "expires_before_created",
            Self::ValidForTooLong => "valid_for_too_long",
            Self::Expired => "expired",
            Self::NonceForm => "nonce_form",
            Self::KeyId => "key_id",
            Self::ChainId => "chain_id",
            Self::ContentDigest => "content_digest",
            Self::Signature(error) => error.code(),
            Self::OtherKey => "other_key",
        }
    }
}
