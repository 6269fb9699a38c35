//! Bearer tokens: what a client presents, and what is stored of it.
//!
//! A token is `<prefix>_` + 43 base-62 characters (256 random bits) + 6 base-62 characters of the
//! CRC-32 of what precedes them. The prefix lets secret scanners find a leaked one, the checksum
//! lets a typing error be told apart from an unknown token without asking the store. Only the
//! SHA-256 is stored; a slow hash is for guessable secrets, and this one is not.
//!
//! An API key has 12 more characters and an underscore behind the prefix: a name for lists, which
//! is no secret.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::ApiKeyId;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const ID_LENGTH: usize = 12;

/// What a token is for. Each kind has its own prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Printed by the command line, for trying things out. `nxd_…`
    Development,
    /// Given to somebody who signed in. `nxs_…`
    Session,
    /// The same, kept in the cookie of a browser and good for nothing else. `nxb_…`
    Browser,
    /// Made by somebody for a program of theirs. `nxk_…`
    ApiKey,
}

impl TokenKind {
    const ALL: [Self; 4] = [
        Self::Development,
        Self::Session,
        Self::Browser,
        Self::ApiKey,
    ];

    /// The prefix, underscore included.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Development => "nxd_",
            Self::Session => "nxs_",
            Self::Browser => "nxb_",
            Self::ApiKey => "nxk_",
        }
    }
}

/// A bearer token in clear. It cannot be printed; [`Token::reveal`] is for showing it once.
#[derive(Clone, Debug)]
pub struct Token {
    kind: TokenKind,
    text: SecretString,
}

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
        // Room for the longest kind: a string that grows leaves its old memory behind.
        let length = kind.prefix().len() + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;
        let mut text = String::with_capacity(length);
        text.push_str(kind.prefix());
        if kind == TokenKind::ApiKey {
            push_random(&mut text, ID_LENGTH)?;
            text.push('_');
        }
        push_random(&mut text, SECRET_LENGTH)?;
        text.push_str(&checksum(&text));
        let text = text.into();
        Ok(Self { kind, text })
    }

    /// Reads what a client presented.
    ///
    /// # Errors
    /// When it is not of our form, whatever it is: an address, a hash, a token of someone else.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let (kind, body) = TokenKind::ALL
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)))
            .ok_or(MalformedToken)?;
        let secret = match kind {
            TokenKind::Development | TokenKind::Session | TokenKind::Browser => Some(body),
            TokenKind::ApiKey => split_id(body).map(|(_, secret)| secret),
        };
        let is_valid = secret.is_some_and(|it| is_base62(it, SECRET_LENGTH + CHECKSUM_LENGTH));
        if !is_valid {
            return Err(MalformedToken);
        }
        let (signed, sum) = text.split_at(text.len() - CHECKSUM_LENGTH);
        if checksum(signed) == sum {
            let text = text.to_owned().into();
            Ok(Self { kind, text })
        } else {
            Err(MalformedToken)
        }
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The public name of an API key; the other kinds have none.
    #[must_use]
    pub fn api_key_id(&self) -> Option<ApiKeyId> {
        let body = self.reveal().strip_prefix(TokenKind::ApiKey.prefix())?;
        Some(split_id(body)?.0)
    }

    /// The text, for showing it to its owner once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.text.expose_secret()
    }

    /// What is stored and looked up: of the whole text, whatever its kind.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.reveal().as_bytes()).into())
    }
}

fn push_random(text: &mut String, count: usize) -> Result<(), getrandom::Error> {
    let length = text.len() + count;
    while text.len() < length {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)?;
        // 248 is the largest multiple of 62 in a byte: what is above would favour some letters.
        let letters = bytes
            .iter()
            .filter(|byte| **byte < 248)
            .map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        let missing = length - text.len();
        text.extend(letters.take(missing));
    }
    Ok(())
}

fn split_id(body: &str) -> Option<(ApiKeyId, &str)> {
    let (id, secret) = body.split_once('_')?;
    Some((id.parse().ok()?, secret))
}

fn is_base62(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
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

/// Takes the same time wherever the first difference is. For comparing with a digest that was
/// looked up by something else than itself.
impl ConstantTimeEq for TokenDigest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.as_bytes().ct_eq(other.as_bytes())
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
    fn a_token_round_trips_tells_its_kind_and_cannot_be_printed() {
        for (kind, length) in [
            (TokenKind::Development, 4 + 43 + 6),
            (TokenKind::Session, 4 + 43 + 6),
            (TokenKind::Browser, 4 + 43 + 6),
            (TokenKind::ApiKey, 4 + 12 + 1 + 43 + 6),
        ] {
            let token = Token::generate(kind).unwrap();
            let again = Token::parse(token.reveal()).unwrap();
            assert_eq!(again.kind(), kind);
            assert_eq!(token.digest(), again.digest());
            assert!(bool::from(token.digest().ct_eq(&again.digest())));
            assert_eq!(token.reveal().len(), length);
            let shown = format!("{token:?} {:?}", token.digest());
            let secret = &token.reveal()[length - 49..];
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn one_wrong_character_is_noticed_without_a_lookup() {
        for kind in TokenKind::ALL {
            let text = Token::generate(kind).unwrap().reveal().to_owned();
            for index in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[index] = if bytes[index] == b'a' { b'b' } else { b'a' };
                assert!(Token::parse(&String::from_utf8(bytes).unwrap()).is_err());
            }
        }
    }

    #[test]
    fn an_api_key_has_a_name_that_is_no_secret_and_the_others_have_none() {
        let key = Token::generate(TokenKind::ApiKey).unwrap();
        let id = key.api_key_id().unwrap();
        assert_eq!(id.to_string(), key.reveal()[4..16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("0123456789a_".parse::<ApiKeyId>().is_err());
        assert!("0123456789a".parse::<ApiKeyId>().is_err());
        let session = Token::generate(TokenKind::Session).unwrap();
        assert_eq!(session.api_key_id(), None);
    }

    #[test]
    fn a_token_of_one_kind_does_not_become_one_of_another() {
        let session = Token::generate(TokenKind::Session).unwrap();
        let body = session.reveal().strip_prefix("nxs_").unwrap();
        for text in [
            format!("nxd_{body}"),
            format!("nxb_{body}"),
            format!("nxk_{body}"),
            format!("nxk_0123456789ab_{body}"),
            format!("nxx_{body}"),
        ] {
            assert!(Token::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_or_a_hash_is_not_a_token() {
        for text in [
            "",
            "nxd_",
            "nxk__",
            "nxk_0123456789ab_",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
            "nxd_0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed0000000",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }
}
