//! A secp256k1 key, as Ethereum wallets have.

use std::fmt;

use zeroize::Zeroizing;

use super::signature::{Signature, address_of, personal_message_hash};
use crate::PublicKey;
use crate::hex;

/// A private key. It cannot be printed, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct SigningKey {
    secret: k256::ecdsa::SigningKey,
    public_key: PublicKey,
}

/// The bytes or digits are not a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a private key: expected 0x and 64 hexadecimal digits, and not zero")]
pub struct InvalidKey;

impl SigningKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(&mut *bytes)?;
            // All but a handful of the numbers of 32 bytes are keys.
            if let Ok(key) = Self::from_bytes(&bytes) {
                return Ok(key);
            }
        }
    }

    /// The key with these bytes, most significant first.
    ///
    /// # Errors
    /// When the number is zero or not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidKey> {
        let secret = k256::ecdsa::SigningKey::from_slice(bytes).map_err(|_| InvalidKey)?;
        let public_key = address_of(secret.verifying_key()).ok_or(InvalidKey)?;
        Ok(Self { secret, public_key })
    }

    /// Reads `0x` and 64 hexadecimal digits, as [`to_hex`](Self::to_hex) writes them.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKey> {
        let digits = text.strip_prefix("0x").ok_or(InvalidKey)?;
        let bytes = Zeroizing::new(hex::decode_any_case(digits).ok_or(InvalidKey)?);
        Self::from_bytes(&bytes)
    }

    /// The private key itself, `0x` and 64 hexadecimal digits: for the file it is kept in.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(self.secret.to_bytes().into());
        // Long enough from the start: a string that grows leaves its old memory behind.
        let mut text = Zeroizing::new(String::with_capacity(2 + 2 * bytes.len()));
        text.push_str("0x");
        // Writing to a string does not fail.
        _ = hex::write(&mut *text, &*bytes);
        text
    }

    /// The address of this key.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Signs an EIP-191 personal message. The same message gets the same signature (RFC 6979).
    #[must_use]
    pub fn sign_message(&self, message: &[u8]) -> Signature {
        let hash = personal_message_hash(message);
        let (scalars, recovery) = self.secret.sign_prehash_recoverable(&hash);
        Signature::new(scalars, recovery)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, …)", self.public_key)
    }
}
