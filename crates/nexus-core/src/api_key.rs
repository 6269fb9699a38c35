//! API keys: what a program may do in a person's name, and until when.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use nexus_api::key::ApiScope;

use crate::{ApiKeyId, Label, PublicKey, Timestamp, TokenDigest};

/// A key for programs that speak the OpenAI-compatible view. Its secret is not kept, only the
/// digest of the whole token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The public part of the token. It names the key in lists and finds it in the store.
    pub id: ApiKeyId,
    /// What the presented token must match.
    pub digest: TokenDigest,
    /// Whom it speaks for.
    pub owner_key: PublicKey,
    /// What its owner calls it.
    pub name: Label,
    /// What it may do.
    pub scopes: ApiScopes,
    /// The models that it may ask, by their names in the catalog. `None`: all of them.
    pub models: Option<BTreeSet<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From this moment on it is refused.
    pub expires_at: Timestamp,
    /// When it was last used, to within a minute or so.
    pub last_used_at: Option<Timestamp>,
    /// When its owner took it back.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it may be used at `now`: neither taken back nor expired.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

impl From<ApiKey> for nexus_api::key::ApiKey {
    /// What its owner sees in a list: without the digest.
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.into(),
            owner_key: key.owner_key.into(),
            name: key.name.into(),
            scopes: key.scopes.iter().collect(),
            models: key.models,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// What an API key may do. As JSON a list, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiScopes(BTreeSet<ApiScope>);

impl ApiScopes {
    /// Whether this is allowed.
    #[must_use]
    pub fn allow(&self, scope: ApiScope) -> bool {
        self.0.contains(&scope)
    }

    /// Whether everything that is allowed here is allowed there too.
    #[must_use]
    pub fn are_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What is allowed, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = ApiScope> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<ApiScope> for ApiScopes {
    fn from_iter<T: IntoIterator<Item = ApiScope>>(scopes: T) -> Self {
        Self(scopes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> ApiKey {
        ApiKey {
            id: "0123456789Ab".parse().unwrap(),
            digest: TokenDigest::from_bytes([7; 32]),
            owner_key: PublicKey::from_bytes([1; 20]),
            name: Label::cut("laptop"),
            scopes: [ApiScope::ModelsRead, ApiScope::Chat].into_iter().collect(),
            models: None,
            created_at: at(0),
            expires_at: at(100),
            last_used_at: None,
            revoked_at: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(seconds * 1000).unwrap()
    }

    #[test]
    fn a_key_ends_when_it_expires_and_when_it_is_taken_back() {
        assert!(key().is_live(at(99)) && !key().is_live(at(100)));
        let revoked = ApiKey {
            revoked_at: Some(at(50)),
            ..key()
        };
        // Also for a clock that is behind the one that revoked it.
        assert!(!revoked.is_live(at(40)));
    }

    #[test]
    fn a_shown_key_holds_no_secret() {
        let shown = serde_json::to_value(nexus_api::key::ApiKey::from(key())).unwrap();
        assert_eq!(shown["scopes"], json!(["chat", "models.read"]));
        assert_eq!(shown["id"], "0123456789Ab");
        assert!(shown.get("digest").is_none());
    }

    #[test]
    fn scopes_are_a_closed_set() {
        for scope in ApiScope::ALL {
            assert_eq!(ApiScope::parse(scope.as_str()), Some(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        assert!(serde_json::from_value::<ApiScopes>(json!(["chat", "config.write"])).is_err());
        let all: ApiScopes = ApiScope::ALL.into_iter().collect();
        assert!(key().scopes.are_within(&all) && !all.are_within(&key().scopes));
        assert!(key().scopes.allow(ApiScope::Chat));
        assert!(!key().scopes.allow(ApiScope::HistoryRead));
    }
}
