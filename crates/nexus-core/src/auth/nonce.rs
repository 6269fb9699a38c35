//! Numbers used once. Those of sign-in carry a code that only this installation can make, so that
//! handing one out stores nothing; using one is what is stored.

use std::fmt;

use chrono::DateTime;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::keyed;
use crate::{NonceId, PublicKey, Timestamp, hex};

/// Bytes before the code: four of the time, sixteen at random.
const OPEN: usize = 20;
/// Bytes of the code: a part of an HMAC-SHA256.
const CODE: usize = 12;
const LENGTH: usize = OPEN + CODE;

/// The secret behind the nonces of sign-in: 32 random bytes, the same on all nodes of an
/// installation. It cannot be printed.
#[derive(Clone)]
pub struct NonceKey(Zeroizing<[u8; 32]>);

/// Why a text is not a nonce of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NonceError {
    /// Not 64 hexadecimal digits in lower case.
    Form,
    /// Made by somebody else, or changed.
    Code,
}

impl NonceKey {
    /// The secret with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new random secret.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes, for storing them where all nodes find them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A new nonce: `hex(seconds ‖ 16 random bytes ‖ code)`.
    pub(super) fn mint(&self, now: Timestamp) -> Result<String, getrandom::Error> {
        let mut open = [0; OPEN];
        let (seconds, random) = open.split_at_mut(4);
        // Outside of 1970 to 2106 it is a time at which no nonce is accepted.
        seconds.copy_from_slice(&u32::try_from(now.timestamp()).unwrap_or(0).to_be_bytes());
        getrandom::fill(random)?;
        let code = self.code(&open).finalize().into_bytes();
        let mut text = String::with_capacity(2 * LENGTH);
        // Writing to a string does not fail.
        _ = hex::write(&mut text, &open);
        _ = hex::write(&mut text, code.split_at(CODE).0);
        Ok(text)
    }

    /// When a nonce of ours was made.
    pub(super) fn check(&self, text: &str) -> Result<Timestamp, NonceError> {
        let bytes = hex::decode::<LENGTH>(text).ok_or(NonceError::Form)?;
        let (open, code) = bytes.split_at(OPEN);
        // Takes the same time wherever the first wrong byte is.
        let checked = self.code(open).verify_truncated_left(code);
        checked.map_err(|_| NonceError::Code)?;
        let (seconds, _) = open.split_first_chunk().ok_or(NonceError::Form)?;
        let seconds = u32::from_be_bytes(*seconds);
        DateTime::from_timestamp(seconds.into(), 0).ok_or(NonceError::Form)
    }

    fn code(&self, open: &[u8]) -> Hmac<Sha256> {
        keyed(&self.0).chain_update(open).chain_update("siwe")
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(…)")
    }
}

/// What a nonce was used for: one of each may have the same text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in.
    SignIn,
    /// One signed request.
    Request,
}

impl NonceId {
    /// What is stored of a nonce that a key used: the SHA-256 of purpose, address and nonce. It
    /// tells neither. The address is in it so that nobody can use up the nonce of somebody else.
    #[must_use]
    pub fn new(purpose: Purpose, key: PublicKey, nonce: &str) -> Self {
        let purpose = match purpose {
            Purpose::SignIn => "siwe",
            Purpose::Request => "erc8128",
        };
        let hash = Sha256::new()
            .chain_update(purpose)
            .chain_update(key.as_bytes())
            .chain_update(nonce);
        Self::from_bytes(hash.finalize().into())
    }
}
