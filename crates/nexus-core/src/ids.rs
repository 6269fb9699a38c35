//! Names that validate: an address, a run, a message, an API key. Parsed once at the edge, trusted after.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};
use uuid::{NoContext, Uuid};

use crate::Timestamp;

/// The address of a key: 20 bytes, written `0x` + 40 hexadecimal digits, stored in lower case.
///
/// It is a name and never a credential. Input may be all lower case, or mixed case with a correct
/// EIP-55 checksum (<https://eips.ethereum.org/EIPS/eip-55>); any other spelling is refused, so
/// that a typing error does not become somebody else's identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 20]);

/// Why a text is not a [`PublicKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not `0x` and 40 hexadecimal digits.
    #[error("expected 0x and 40 hexadecimal digits")]
    Format,
    /// Mixed case whose EIP-55 checksum is wrong.
    #[error(
        "the upper and lower case letters do not match the address (EIP-55): check for a typing error, or write it all in lower case"
    )]
    Checksum,
}

impl PublicKey {
    /// The address with these 20 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The address of an uncompressed secp256k1 point without its `04` prefix: the last 20 bytes
    /// of its Keccak-256 hash.
    #[must_use]
    pub fn of_point(point: &[u8; 64]) -> Self {
        let hash = Keccak256::digest(point);
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&hash[12..]);
        Self(bytes)
    }

    /// The 20 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The EIP-55 spelling, for showing to people.
    #[must_use]
    pub fn to_checksummed(&self) -> String {
        let lower = self.to_string();
        let hash = Keccak256::digest(&lower.as_bytes()[2..]);
        let digits = lower[2..].bytes().enumerate().map(|(index, digit)| {
            let nibble = if index % 2 == 0 {
                hash[index / 2] >> 4
            } else {
                hash[index / 2] & 0x0f
            };
            char::from(if nibble >= 8 {
                digit.to_ascii_uppercase()
            } else {
                digit
            })
        });
        "0x".chars().chain(digits).collect()
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text
            .strip_prefix("0x")
            .ok_or(PublicKeyError::Format)?
            .as_bytes();
        if digits.len() != 40 {
            return Err(PublicKeyError::Format);
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        let key = Self(bytes);
        if digits.iter().any(u8::is_ascii_uppercase) && key.to_checksummed() != text {
            return Err(PublicKeyError::Checksum);
        }
        Ok(key)
    }
}

fn nibble(digit: u8) -> Result<u8, PublicKeyError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(PublicKeyError::Format),
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        crate::hex::write(f, &self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not an id of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {prefix} followed by 1 to 64 letters, digits, - or _")]
pub struct IdError {
    prefix: &'static str,
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// A new id. Ids made later sort later (UUID version 7), which keeps indexes compact.
            #[must_use]
            pub fn new(at: Timestamp) -> Self {
                let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
                let moment = uuid::Timestamp::from_unix(NoContext, seconds, at.timestamp_subsec_nanos());
                Self(format!(concat!($prefix, "{}"), Uuid::new_v7(moment).simple()))
            }

            /// The whole id, prefix included.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let rest = text.strip_prefix($prefix).ok_or(IdError { prefix: $prefix })?;
                let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                if (1..=64).contains(&rest.len()) && rest.bytes().all(valid) {
                    Ok(Self(text))
                } else {
                    Err(IdError { prefix: $prefix })
                }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

prefixed_id! {
    /// One run: a human message from arrival to the stored answer. `run_` + an id.
    RunId, "run_"
}
prefixed_id! {
    /// One stored message. `msg_` + an id.
    MessageId, "msg_"
}
prefixed_id! {
    /// One process that shares limits with others, from its start to its end. `node_` + an id.
    NodeId, "node_"
}

/// The public part of an API key: 12 letters and digits. It names the key and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiKeyId([u8; 12]);

/// The text is not an [`ApiKeyId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 12 letters and digits")]
pub struct ApiKeyIdError;

impl FromStr for ApiKeyId {
    type Err = ApiKeyIdError;

    fn from_str(text: &str) -> Result<Self, ApiKeyIdError> {
        let letters: [u8; 12] = text.as_bytes().try_into().map_err(|_| ApiKeyIdError)?;
        if letters.iter().all(u8::is_ascii_alphanumeric) {
            Ok(Self(letters))
        } else {
            Err(ApiKeyIdError)
        }
    }
}

impl TryFrom<String> for ApiKeyId {
    type Error = ApiKeyIdError;

    fn try_from(text: String) -> Result<Self, ApiKeyIdError> {
        text.parse()
    }
}

impl From<ApiKeyId> for String {
    fn from(id: ApiKeyId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl fmt::Debug for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Something that may be used once, such as the nonce of a signed request. 32 bytes that differ
/// for different things: a hash of all that tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NonceId([u8; 32]);

/// Something that is counted against a limit, in one window of time. 32 bytes that differ for
/// different limits and different windows: a hash of all that tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CounterId([u8; 32]);

impl NonceId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl CounterId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of EIP-55.
    const CHECKSUMMED: [&str; 4] = [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn an_address_has_two_spellings_and_no_third() {
        for text in CHECKSUMMED {
            let key: PublicKey = text.parse().unwrap();
            assert_eq!(key.to_checksummed(), text);
            assert_eq!(key.to_string(), text.to_lowercase());
            assert_eq!(text.to_lowercase().parse(), Ok(key));
            let shouted = format!("0x{}", text[2..].to_uppercase());
            assert_eq!(shouted.parse::<PublicKey>(), Err(PublicKeyError::Checksum));
        }
    }

    #[test]
    fn anything_else_is_not_an_address() {
        for text in [
            "",
            "0x",
            "0x_GUEST",
            "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
            "0X5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed0",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae\u{ff10}",
        ] {
            assert_eq!(
                text.parse::<PublicKey>(),
                Err(PublicKeyError::Format),
                "{text}"
            );
        }
    }

    #[test]
    fn ids_sort_by_time_and_keep_their_prefix() {
        let early = RunId::new(chrono::DateTime::from_timestamp_millis(1_000).unwrap());
        let late = RunId::new(chrono::DateTime::from_timestamp_millis(2_000).unwrap());
        assert!(early < late);
        assert!(early.as_str().starts_with("run_"));
        assert!(MessageId::try_from(early.to_string()).is_err());
        assert!(MessageId::try_from("msg_a$b".to_owned()).is_err());
    }

    #[test]
    fn an_api_key_id_is_twelve_letters_and_digits() {
        let id: ApiKeyId = "0aZ123456789".parse().unwrap();
        assert_eq!(id.to_string(), "0aZ123456789");
        for text in [
            "",
            "0aZ12345678",
            "0aZ1234567890",
            "0aZ12345678_",
            "0aZ1234567\u{e9}",
        ] {
            assert_eq!(text.parse::<ApiKeyId>(), Err(ApiKeyIdError), "{text}");
        }
    }
}
