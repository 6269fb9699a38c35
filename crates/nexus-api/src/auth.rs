//! `/api/v1/auth/…` and `/api/v1/sessions`: signing in with a key, and sessions.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use chrono::{DateTime, Utc};

/// `POST /api/v1/auth/challenge`: what a client signs. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Challenge {
    /// 64 hexadecimal digits, usable once.
    pub nonce: String,
    /// The text to sign, with `{address}` in the place of the address.
    pub message_template: String,
    /// The host and port of the server.
    pub domain: String,
    /// The address that is signed in to.
    pub uri: String,
    /// A label that is compared, and means nothing more.
    pub chain_id: u64,
    /// The time of its creation: whole seconds.
    pub issued_at: DateTime<Utc>,
    /// From this moment on it is refused.
    pub expires_at: DateTime<Utc>,
}

/// `POST /api/v1/auth/verify`: a signed challenge.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The text, exactly as it was signed.
    pub message: String,
    /// `0x` and 130 hexadecimal digits.
    pub signature: String,
    /// `true` for a session as a cookie that no script can read; the answer then has no
    /// token.
    #[serde(default)]
    pub cookie: bool,
}

/// The owner of the session, and the session.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SignedIn {
    /// The address, with the upper and lower case letters of its checksum (EIP-55).
    pub public_key: String,
    /// `true` if the key is registered and let in.
    pub standing: SignedInStanding,
    /// `true` for an administrator.
    pub is_admin: bool,
    /// Guidance for people who are no members: the reason, and the next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    pub guidance: Option<Cow<'static, str>>,
    /// The session.
    pub session: Session,
    /// The secret of a new session. Absent when it is in a cookie, and when the session was there
    /// before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    pub token: Option<Secret>,
}

/// The standing of the key of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignedInStanding {
    /// Registered and let in.
    Member,
    /// Not registered.
    Visitor,
    /// Registered; an administrator decides.
    Pending,
    /// Locked out by an administrator.
    Disabled,
    /// Stored in a form that the server cannot read.
    Unreadable,
}

impl SignedInStanding {
    /// The spelling in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Visitor => "visitor",
            Self::Pending => "pending",
            Self::Disabled => "disabled",
            Self::Unreadable => "unreadable",
        }
    }
}

/// `DELETE /api/v1/auth/session`: the session has ended.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct SignedOut {
    /// `true`
    pub signed_out: bool,
}

/// A session, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Session {
    /// `ses_` and 32 hexadecimal digits.
    pub id: String,
    /// Its reach.
    pub scope: Scope,
    /// The time of its creation.
    pub created_at: DateTime<Utc>,
    /// The time of its last use, to within five minutes.
    pub last_seen_at: DateTime<Utc>,
    /// From this moment on it is refused.
    pub expires_at: DateTime<Utc>,
    /// The name that the client gave itself when it signed in.
    pub client: String,
}

/// A session in a list.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ListedSession {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// `true` for the session of this request.
    pub current: bool,
}

/// The reach of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything that belongs to the key that it speaks for.
    #[default]
    Personal,
    /// The installation too: everybody's template.
    Admin,
}

impl Scope {
    /// The stored spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Admin => "admin",
        }
    }

    /// The scope with this spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Personal, Self::Admin]
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

/// A secret that is sent once. It is not shown in logs.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
