//! Whom a token speaks for, how far it reaches, and until when.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use nexus_api::auth::Scope;

use crate::{Label, PublicKey, Timestamp, TokenDigest};

/// Whom a token speaks for, and until when. The key need not be registered: that is a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What identifies it.
    pub digest: TokenDigest,
    /// Whom it speaks for.
    pub owner_key: PublicKey,
    /// How far it reaches.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to within some minutes.
    pub last_seen_at: Timestamp,
    /// How long it may go unused. `None`: as long as it lives.
    pub idle: Option<TimeDelta>,
    /// From this moment on it is refused, however often it was used.
    pub expires_at: Timestamp,
    /// What the client called itself when it signed in. Says something to its owner, proves
    /// nothing.
    pub client: Label,
}

impl Session {
    /// A session that begins now, lives until `expires_at`, used or not, and says nothing about
    /// its client.
    #[must_use]
    pub fn new(
        digest: TokenDigest,
        owner_key: PublicKey,
        scope: Scope,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            digest,
            owner_key,
            scope,
            created_at,
            last_seen_at: created_at,
            idle: None,
            expires_at,
            client: Label::default(),
        }
    }

    /// Its name in lists.
    #[must_use]
    pub fn id(&self) -> SessionId {
        SessionId::of(&self.digest)
    }

    /// Whether it may be used at `now`: it has not expired, and was not left unused for too long.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        let unused = now.signed_duration_since(self.last_seen_at);
        now < self.expires_at && self.idle.is_none_or(|idle| unused < idle)
    }
}

impl From<Session> for nexus_api::auth::Session {
    /// What its owner sees in a list: without the digest.
    fn from(session: Session) -> Self {
        Self {
            id: session.id().into(),
            scope: session.scope,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            client: session.client.into(),
        }
    }
}

/// The name of a session: `ses_` + 32 hexadecimal digits.
///
/// It is the first half of the SHA-256 of the digest. A list can show it without giving away what
/// the store is asked with, and it needs no place of its own in the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId([u8; 16]);

/// The text is not a [`SessionId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected ses_ and 32 hexadecimal digits in lower case")]
pub struct SessionIdError;

impl SessionId {
    /// The name of the session with this digest.
    #[must_use]
    pub fn of(digest: &TokenDigest) -> Self {
        let hash: [u8; 32] = Sha256::digest(digest.as_bytes()).into();
        let mut id = [0; 16];
        for (id, byte) in id.iter_mut().zip(hash) {
            *id = byte;
        }
        Self(id)
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        text.strip_prefix("ses_")
            .and_then(crate::hex::decode)
            .map(Self)
            .ok_or(SessionIdError)
    }
}

impl TryFrom<String> for SessionId {
    type Error = SessionIdError;

    fn try_from(text: String) -> Result<Self, SessionIdError> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ses_")?;
        crate::hex::write(f, &self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(seconds * 1000).unwrap()
    }

    fn session() -> Session {
        let digest = TokenDigest::from_bytes([7; 32]);
        let owner = PublicKey::from_bytes([1; 20]);
        Session::new(digest, owner, Scope::Personal, at(0), at(100))
    }

    #[test]
    fn a_session_ends_when_it_expires_and_when_it_is_not_used() {
        let lasting = session();
        assert!(lasting.is_live(at(99)) && !lasting.is_live(at(100)));
        let idle = Session {
            last_seen_at: at(50),
            idle: Some(TimeDelta::seconds(10)),
            ..session()
        };
        assert!(idle.is_live(at(59)) && !idle.is_live(at(60)));
        // Another node's clock may be a little ahead of ours.
        assert!(idle.is_live(at(49)));
        let used = Session {
            last_seen_at: at(99),
            ..idle
        };
        assert!(used.is_live(at(99)) && !used.is_live(at(100)));
    }

    #[test]
    fn the_name_of_a_session_is_not_what_the_store_is_asked_with() {
        let session = session();
        let id = session.id();
        // SHA-256 of 32 bytes 07, the first half.
        assert_eq!(id.to_string(), "ses_4bb06f8e4e3a7715d201d573d0aa4237");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "ses_",
            "ses_4BB06F8E4E3A7715D201D573D0AA4237",
            "run_4bb06f8e4e3a7715d201d573d0aa4237",
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(SessionIdError), "{text}");
        }
        let shown = serde_json::to_string(&nexus_api::auth::Session::from(session)).unwrap();
        assert!(shown.contains(&id.to_string()), "{shown}");
        assert!(
            !shown.contains("digest") && !shown.contains("0707"),
            "{shown}"
        );
    }
}
