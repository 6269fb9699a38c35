//! The text of a sign-in: the part of the EIP-4361 grammar that we write, and no more.

use std::fmt;

use chrono::{NaiveDateTime, Timelike as _};

use crate::{PublicKey, Timestamp};

/// The only version of EIP-4361.
pub(super) const VERSION: &str = "1";

const INVITATION: &str = " wants you to sign in with your Ethereum account:";
const URI: &str = "URI: ";
const VERSION_LABEL: &str = "Version: ";
const CHAIN_ID: &str = "Chain ID: ";
const NONCE: &str = "Nonce: ";
const ISSUED_AT: &str = "Issued At: ";
const EXPIRATION_TIME: &str = "Expiration Time: ";

const TIME: &str = "%Y-%m-%dT%H:%M:%SZ";
const TIME_LENGTH: usize = "2026-11-22T20:30:00Z".len();

const LONGEST_STATEMENT: usize = 256;

/// The lines of a sign-in text. [`Display`](fmt::Display) writes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who asks: host and port.
    pub domain: &'a str,
    /// Who signs, as written: in the spelling of EIP-55.
    pub address: &'a str,
    /// What the person agrees to.
    pub statement: &'a str,
    /// What is signed in to.
    pub uri: &'a str,
    /// `1`.
    pub version: &'a str,
    /// A label.
    pub chain_id: u64,
    /// Usable once.
    pub nonce: &'a str,
    /// Whole seconds.
    pub issued_at: Timestamp,
    /// Whole seconds.
    pub expires_at: Timestamp,
}

/// The text does not have the lines of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the lines of a sign-in text")]
pub struct Malformed;

impl<'a> Message<'a> {
    /// Reads the lines, and the address among them. Whoever needs to know that the text has no
    /// other spelling writes the message again and compares.
    ///
    /// # Errors
    /// When a line is missing, out of place, unknown or not readable.
    pub fn parse(text: &'a str) -> Result<(Self, PublicKey), Malformed> {
        let mut lines = text.split('\n');
        let mut line = || lines.next().ok_or(Malformed);
        let domain = line()?.strip_suffix(INVITATION).ok_or(Malformed)?;
        let address = line()?;
        blank(line()?)?;
        let statement = line()?;
        blank(line()?)?;
        let mut labelled = |label| line()?.strip_prefix(label).ok_or(Malformed);
        let message = Self {
            domain,
            address,
            statement,
            uri: labelled(URI)?,
            version: labelled(VERSION_LABEL)?,
            chain_id: labelled(CHAIN_ID)?.parse().map_err(|_| Malformed)?,
            nonce: labelled(NONCE)?,
            issued_at: time(labelled(ISSUED_AT)?)?,
            expires_at: time(labelled(EXPIRATION_TIME)?)?,
        };
        if lines.next().is_some() {
            return Err(Malformed);
        }
        let key: PublicKey = address.parse().map_err(|_| Malformed)?;
        if key.to_checksummed() != address {
            return Err(Malformed);
        }
        Ok((message, key))
    }
}

fn blank(line: &str) -> Result<(), Malformed> {
    if line.is_empty() {
        Ok(())
    } else {
        Err(Malformed)
    }
}

fn time(text: &str) -> Result<Timestamp, Malformed> {
    let moment = NaiveDateTime::parse_from_str(text, TIME).map_err(|_| Malformed)?;
    // A leap second is a whole second with a second in its fraction.
    if text.len() != TIME_LENGTH || moment.nanosecond() != 0 {
        return Err(Malformed);
    }
    Ok(moment.and_utc())
}

/// The characters that EIP-4361 has for statements: those of a URI, and spaces.
pub(super) fn is_statement(text: &str) -> bool {
    let valid =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;= ".contains(&byte);
    (1..=LONGEST_STATEMENT).contains(&text.len()) && text.bytes().all(valid)
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{INVITATION}", self.domain)?;
        writeln!(f, "{}", self.address)?;
        writeln!(f, "\n{}\n", self.statement)?;
        writeln!(f, "{URI}{}", self.uri)?;
        writeln!(f, "{VERSION_LABEL}{}", self.version)?;
        writeln!(f, "{CHAIN_ID}{}", self.chain_id)?;
        writeln!(f, "{NONCE}{}", self.nonce)?;
        writeln!(f, "{ISSUED_AT}{}", self.issued_at.format(TIME))?;
        write!(f, "{EXPIRATION_TIME}{}", self.expires_at.format(TIME))
    }
}
