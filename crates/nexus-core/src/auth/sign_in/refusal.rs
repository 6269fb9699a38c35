//! Why a sign-in was refused: told to logs, not to clients.

use crate::auth::SignatureError;

/// Why a sign-in was refused. Printed, it is one sentence for all reasons, which is what a client
/// may know; [`code`](Self::code) tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sign-in was not accepted: ask for a new challenge and sign its text unchanged")]
pub enum SignInRefusal {
    /// Longer than [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES).
    TooLong,
    /// Other characters than ASCII.
    NotAscii,
    /// A carriage return.
    CarriageReturn,
    /// Not the lines of a sign-in text.
    Malformed,
    /// The lines are there, but spelled in another way than we do.
    NotCanonical,
    /// For another server.
    Domain,
    /// For another URI.
    Uri,
    /// Another version of EIP-4361.
    Version,
    /// Another chain.
    ChainId,
    /// Another statement.
    Statement,
    /// Issued more than 300 s ago.
    IssuedTooLongAgo,
    /// Issued more than 60 s from now.
    IssuedInTheFuture,
    /// Expires before it is issued.
    ExpiresBeforeIssued,
    /// Valid for more than 300 s.
    ValidForTooLong,
    /// Over.
    Expired,
    /// The nonce is not 64 hexadecimal digits in lower case.
    NonceForm,
    /// The nonce is not one of ours.
    NonceCode,
    /// The nonce is one of ours, from another time.
    NonceTooOld,
    /// The signature is no signature.
    Signature(SignatureError),
    /// Signed by another key than the text names, or over another text.
    OtherKey,
}

impl SignInRefusal {
    /// A stable name, for logs and tests.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotAscii => "not_ascii",
            Self::CarriageReturn => "carriage_return",
            Self::Malformed => "malformed",
            Self::NotCanonical => "not_canonical",
            Self::Domain => "domain",
            Self::Uri => "uri",
            Self::Version => "version",
            Self::ChainId => "chain_id",
            Self::Statement => "statement",
            Self::IssuedTooLongAgo => "issued_too_long_ago",
            Self::IssuedInTheFuture => "issued_in_the_future",
            Self::ExpiresBeforeIssued => "expires_before_issued",
            Self::ValidForTooLong => "valid_for_too_long",
            Self::Expired => "expired",
            Self::NonceForm => "nonce_form",
            Self::NonceCode => "nonce_code",
            Self::NonceTooOld => "nonce_too_old",
            Self::Signature(error) => error.code(),
            Self::OtherKey => "other_key",
        }
    }
}
