//! Signatures as Ethereum wallets make them: 65 bytes over an EIP-191 personal message.
//! <https://eips.ethereum.org/EIPS/eip-191>

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k256::ecdsa::{RecoveryId, VerifyingKey};
use k256::elliptic_curve::scalar::IsHigh as _;
use sha3::{Digest, Keccak256};

use crate::PublicKey;
use crate::hex;

/// Bytes of a signature: r, s and v.
const LENGTH: usize = 65;
/// What v starts at in the spelling that we write; readers of the other one start at 0.
const FIRST_V: u8 = 27;

/// A signature, `r ‖ s ‖ v`: two scalars of 32 bytes and which of the two possible keys made it.
///
/// Of the several spellings that one signature could have, exactly two are read (v counted from 0
/// or from 27), and one is written (from 27). In particular s is in the lower half of its range:
/// with the other half, everybody could turn a valid signature into a second one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    scalars: k256::ecdsa::Signature,
    is_y_odd: bool,
}

/// Why bytes are not a [`Signature`], or not one of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not `0x` and hexadecimal digits, or not base64.
    #[error("the signature is not spelled as expected")]
    Encoding,
    /// Compact signatures (EIP-2098) and those of contracts (ERC-1271) have other lengths.
    #[error("a signature has 65 bytes")]
    Length,
    /// v is not 0, 1, 27 or 28.
    #[error("the last byte of a signature is 0, 1, 27 or 28")]
    RecoveryId,
    /// r or s is zero, or not below the order of the curve.
    #[error("a number in the signature is out of range")]
    Range,
    /// s is in the upper half of its range.
    #[error("the signature is the mirrored form of another one")]
    HighS,
    /// No key could have made it.
    #[error("no key can have made this signature")]
    NoKey,
}

impl SignatureError {
    /// A stable name, for logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Encoding => "signature_encoding",
            Self::Length => "signature_length",
            Self::RecoveryId => "signature_recovery_id",
            Self::Range => "signature_range",
            Self::HighS => "signature_high_s",
            Self::NoKey => "signature_no_key",
        }
    }
}

impl Signature {
    /// Reads `0x` and 130 hexadecimal digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, SignatureError> {
        let digits = text.strip_prefix("0x").ok_or(SignatureError::Encoding)?;
        if digits.len() != 2 * LENGTH {
            return Err(SignatureError::Length);
        }
        Self::from_bytes(&hex::decode_any_case(digits).ok_or(SignatureError::Encoding)?)
    }

    /// Reads base64 with padding (RFC 4648, section 4), without spare bits or characters.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_base64(text: &str) -> Result<Self, SignatureError> {
        if text.len() > 4 * LENGTH {
            return Err(SignatureError::Length);
        }
        let bytes = BASE64_STANDARD.decode(text);
        let bytes = bytes.map_err(|_| SignatureError::Encoding)?;
        Self::from_bytes(&bytes.try_into().map_err(|_| SignatureError::Length)?)
    }

    /// The signature with these bytes.
    ///
    /// # Errors
    /// When a number in it is not in its range.
    pub fn from_bytes(bytes: &[u8; LENGTH]) -> Result<Self, SignatureError> {
        let [scalars @ .., v] = bytes;
        let is_y_odd = match v {
            0 | 27 => false,
            1 | 28 => true,
            _ => return Err(SignatureError::RecoveryId),
        };
        let scalars = k256::ecdsa::Signature::from_slice(scalars);
        let scalars = scalars.map_err(|_| SignatureError::Range)?;
        // The library would accept it: its newer versions no longer look.
        if scalars.s().is_high().into() {
            return Err(SignatureError::HighS);
        }
        Ok(Self { scalars, is_y_odd })
    }

    /// What a key made; the key normalises s.
    pub(super) fn new(scalars: k256::ecdsa::Signature, recovery: RecoveryId) -> Self {
        let is_y_odd = recovery.is_y_odd();
        Self { scalars, is_y_odd }
    }

    /// The 65 bytes; v is 27 or 28.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [FIRST_V + u8::from(self.is_y_odd); LENGTH];
        for (byte, scalar) in bytes.iter_mut().zip(self.scalars.to_bytes()) {
            *byte = scalar;
        }
        bytes
    }

    /// The 65 bytes in base64, as HTTP headers carry them.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(self.to_bytes())
    }

    /// The key that signed this message. Every message has one: the caller compares it with the
    /// key that was claimed.
    ///
    /// # Errors
    /// When no key can have made the signature.
    pub fn recover(&self, message: &[u8]) -> Result<PublicKey, SignatureError> {
        // The third and fourth value of a recovery id are for an r beyond the order of the curve:
        // they cannot be written in v, and one in 2¹²⁸ signatures would need them.
        let id = RecoveryId::new(self.is_y_odd, false);
        let hash = personal_message_hash(message);
        VerifyingKey::recover_from_prehash(&hash, &self.scalars, id)
            .ok()
            .and_then(|key| address_of(&key))
            .ok_or(SignatureError::NoKey)
    }
}

/// Keccak-256 of the message, behind the words that keep it from being a transaction.
pub(super) fn personal_message_hash(message: &[u8]) -> [u8; 32] {
    Keccak256::new()
        .chain_update("\x19Ethereum Signed Message:\n")
        .chain_update(message.len().to_string())
        .chain_update(message)
        .finalize()
        .into()
}

pub(super) fn address_of(key: &VerifyingKey) -> Option<PublicKey> {
    let point = key.to_sec1_point(false);
    let (_, coordinates) = point.as_bytes().split_first()?;
    Some(PublicKey::of_point(coordinates.try_into().ok()?))
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        hex::write(f, &self.to_bytes())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
