//! Bearer tokens: what a client presents, and what is stored of it.
//!
//! A token is `<prefix>_` + 43 base-62 characters (256 random bits) + 6 base-62 characters of the
//! CRC-32 of what precedes them. The prefix lets secret scanners find a leaked one, the checksum
//! lets a typing error be told apart from an unknown token without asking the store. Only the
//! SHA-256 is stored; a slow hash is for guessable secrets, and this one is not.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;

/// What a token is for. Each kind has its own prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Printed by the command line, until sign-in with the key exists. `nxd_…`
    Development,
}

impl TokenKind {
    /// The prefix, underscore included.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Development => "nxd_",
        }
    }
}

/// A bearer token in clear. It cannot be printed; [`Token::reveal`] is for showing it once.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

/// The text is not a token of ours: nothing needs to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token of this server")]
pub struct MalformedToken;

impl Token {
    /// A new random token.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate(kind: TokenKind) -> Result<Self, getrandom::Error> {
        let mut text = String::with_capacity(kind.prefix().len() + SECRET_LENGTH + CHECKSUM_LENGTH);
        text.push_str(kind.prefix());
        while text.len() < kind.prefix().len() + SECRET_LENGTH {
            let mut bytes = [0; 64];
            getrandom::fill(&mut bytes)?;
            // 248 is the largest multiple of 62 in a byte: what is above would favour some letters.
            let letters = bytes
                .iter()
                .filter(|byte| **byte < 248)
                .map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
            let missing = kind.prefix().len() + SECRET_LENGTH - text.len();
            text.extend(letters.take(missing));
        }
        text.push_str(&checksum(&text));
        Ok(Self(text.into()))
    }

    /// Reads what a client presented.
    ///
    /// # Errors
    /// When it is not of our form, whatever it is: an address, a hash, a token of someone else.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let body = text
            .strip_prefix(TokenKind::Development.prefix())
            .ok_or(MalformedToken)?;
        let valid = body.len() == SECRET_LENGTH + CHECKSUM_LENGTH
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !valid {
            return Err(MalformedToken);
        }
        let (signed, sum) = text.split_at(text.len() - CHECKSUM_LENGTH);
        if checksum(signed) == sum {
            Ok(Self(text.to_owned().into()))
        } else {
            Err(MalformedToken)
        }
    }

    /// The text, for showing it to its owner once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is stored and looked up.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.0.expose_secret().as_bytes()).into())
    }
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut letters = [b'0'; CHECKSUM_LENGTH];
    for letter in letters.iter_mut().rev() {
        *letter = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    letters.iter().map(|letter| char::from(*letter)).collect()
}

/// The SHA-256 of a token. A digest is never accepted where a token is expected.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest with these bytes, as a store read them.
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

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_round_trips_and_cannot_be_printed() {
        let token = Token::generate(TokenKind::Development).unwrap();
        let again = Token::parse(token.reveal()).unwrap();
        assert_eq!(token.digest(), again.digest());
        assert_eq!(token.reveal().len(), 4 + 43 + 6);
        assert!(!format!("{token:?} {:?}", token.digest()).contains(token.reveal()));
    }

    #[test]
    fn one_wrong_character_is_noticed_without_a_lookup() {
        let text = Token::generate(TokenKind::Development)
            .unwrap()
            .reveal()
            .to_owned();
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'a' { b'b' } else { b'a' };
            assert!(Token::parse(&String::from_utf8(bytes).unwrap()).is_err());
        }
    }

    #[test]
    fn an_address_or_a_hash_is_not_a_token() {
        for text in [
            "",
            "nxd_",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
            "nxd_0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed0000000",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }
}
