//! Sign-in: a text to sign (EIP-4361), and the checks on what comes back.
//! <https://eips.ethereum.org/EIPS/eip-4361>

mod message;
mod refusal;

use chrono::SubsecRound as _;
pub use nexus_api::auth::Challenge;

pub use message::{Malformed, Message};
pub use refusal::SignInRefusal;

use super::nonce::{NonceError, NonceKey, Purpose};
use super::{CLOCK_SKEW, LONGEST_VALIDITY, Origin, Signature};
use crate::{NonceId, PublicKey, Timestamp};

/// The longest sign-in text that is looked at, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1_024;

/// What stands for the address in [`Challenge::message_template`].
pub const ADDRESS: &str = "{address}";

/// What a sign-in must say on this installation. It comes from boot configuration, and nothing of
/// it from a request.
#[derive(Clone, Debug)]
pub struct SignInRules {
    domain: String,
    uri: String,
    chain_id: u64,
    statement: String,
    nonce_key: NonceKey,
}

/// The statement cannot stand in a sign-in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the statement of sign-in is one line of at most 256 letters, digits, spaces and . , : ; ! ? ' ( ) / - _ and the like"
)]
pub struct InvalidStatement;

/// The text of a challenge that this key signs.
#[must_use]
pub fn message_for(challenge: &Challenge, key: PublicKey) -> String {
    let address = key.to_checksummed();
    challenge.message_template.replace(ADDRESS, &address)
}

/// Somebody who proved to have a key. The nonce is still to be used up by the caller, which is what
/// makes a replay fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Whose signature it is: recovered, not what the client said.
    pub key: PublicKey,
    /// To be inserted once; if it is there already, this is a replay.
    pub nonce_id: NonceId,
    /// When the message expires. The nonce is kept until then, and [`CLOCK_SKEW`] longer.
    pub expires_at: Timestamp,
    /// For the record.
    pub signature: Signature,
}

impl SignInRules {
    /// The rules of an installation.
    ///
    /// # Errors
    /// When the statement does not fit into the grammar of EIP-4361.
    pub fn new(
        origin: &Origin,
        chain_id: u64,
        statement: &str,
        nonce_key: NonceKey,
    ) -> Result<Self, InvalidStatement> {
        if !message::is_statement(statement) {
            return Err(InvalidStatement);
        }
        Ok(Self {
            domain: origin.authority().to_owned(),
            uri: origin.uri(),
            chain_id,
            statement: statement.to_owned(),
            nonce_key,
        })
    }

    /// Something new to sign, for whoever asks.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn issue(&self, now: Timestamp) -> Result<Challenge, getrandom::Error> {
        let issued_at = now.trunc_subsecs(0);
        let expires_at = issued_at + LONGEST_VALIDITY;
        let nonce = self.nonce_key.mint(issued_at)?;
        let message = Message {
            domain: &self.domain,
            address: ADDRESS,
            statement: &self.statement,
            uri: &self.uri,
            version: message::VERSION,
            chain_id: self.chain_id,
            nonce: &nonce,
            issued_at,
            expires_at,
        };
        Ok(Challenge {
            message_template: message.to_string(),
            domain: self.domain.clone(),
            uri: self.uri.clone(),
            chain_id: self.chain_id,
            nonce,
            issued_at,
            expires_at,
        })
    }

    /// Checks a signed text: `signature` is `0x` and 130 hexadecimal digits. The order is fixed, the
    /// first failure is the answer, and what costs most comes last.
    ///
    /// # Errors
    /// The reason is for logs; a client is told the same whatever it is.
    pub fn verify(
        &self,
        message: &str,
        signature: &str,
        now: Timestamp,
    ) -> Result<SignedIn, SignInRefusal> {
        look_at_bytes(message)?;
        let (parsed, address) = Message::parse(message).map_err(|_| SignInRefusal::Malformed)?;
        if parsed.to_string() != message {
            return Err(SignInRefusal::NotCanonical);
        }
        self.check_words(&parsed)?;
        check_times(&parsed, now)?;
        self.check_nonce(parsed.nonce, now)?;
        let signature = Signature::from_hex(signature).map_err(SignInRefusal::Signature)?;
        let key = signature
            .recover(message.as_bytes())
            .map_err(SignInRefusal::Signature)?;
        if key != address {
            return Err(SignInRefusal::OtherKey);
        }
        Ok(SignedIn {
            key,
            nonce_id: NonceId::new(Purpose::SignIn, key, parsed.nonce),
            expires_at: parsed.expires_at,
            signature,
        })
    }

    fn check_words(&self, message: &Message<'_>) -> Result<(), SignInRefusal> {
        let rules = [
            (message.domain == self.domain, SignInRefusal::Domain),
            (message.uri == self.uri, SignInRefusal::Uri),
            (message.version == message::VERSION, SignInRefusal::Version),
            (message.chain_id == self.chain_id, SignInRefusal::ChainId),
            (
                message.statement == self.statement,
                SignInRefusal::Statement,
            ),
        ];
        first_broken(&rules)
    }

    fn check_nonce(&self, nonce: &str, now: Timestamp) -> Result<(), SignInRefusal> {
        let made_at = self.nonce_key.check(nonce).map_err(|error| match error {
            NonceError::Form => SignInRefusal::NonceForm,
            NonceError::Code => SignInRefusal::NonceCode,
        })?;
        // Else somebody could collect nonces today and have them signed in a year.
        if is_current(made_at, now) {
            Ok(())
        } else {
            Err(SignInRefusal::NonceTooOld)
        }
    }
}

fn look_at_bytes(message: &str) -> Result<(), SignInRefusal> {
    first_broken(&[
        (message.len() <= MAX_MESSAGE_BYTES, SignInRefusal::TooLong),
        (message.is_ascii(), SignInRefusal::NotAscii),
        (!message.contains('\r'), SignInRefusal::CarriageReturn),
    ])
}

fn check_times(message: &Message<'_>, now: Timestamp) -> Result<(), SignInRefusal> {
    let (issued, expires) = (message.issued_at, message.expires_at);
    first_broken(&[
        (
            now - LONGEST_VALIDITY <= issued,
            SignInRefusal::IssuedTooLongAgo,
        ),
        (issued <= now + CLOCK_SKEW, SignInRefusal::IssuedInTheFuture),
        (issued < expires, SignInRefusal::ExpiresBeforeIssued),
        (
            expires - issued <= LONGEST_VALIDITY,
            SignInRefusal::ValidForTooLong,
        ),
        (now < expires, SignInRefusal::Expired),
    ])
}

fn is_current(moment: Timestamp, now: Timestamp) -> bool {
    (now - LONGEST_VALIDITY..=now + CLOCK_SKEW).contains(&moment)
}

fn first_broken(rules: &[(bool, SignInRefusal)]) -> Result<(), SignInRefusal> {
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, refusal)) => Err(*refusal),
        None => Ok(()),
    }
}
