//! `/api/v1/keys`: API keys, for programs that chat in a person's name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::Secret;
use chrono::{DateTime, Utc};

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct ApiKey {
    /// The public part of the token: 12 letters and digits.
    pub id: String,
    /// The address of its owner.
    pub owner_key: String,
    /// Its name, chosen by its owner.
    pub name: String,
    /// The scopes that it has.
    pub scopes: Vec<ApiScope>,
    /// The models that it may ask, by their names in the catalog. `null`: all of them.
    #[schema(required = true)]
    pub models: Option<BTreeSet<String>>,
    /// The time of its creation.
    pub created_at: DateTime<Utc>,
    /// From this moment on it is refused.
    pub expires_at: DateTime<Utc>,
    /// The time of its last use, to within a minute or so.
    #[schema(required = true)]
    pub last_used_at: Option<DateTime<Utc>>,
    /// The time of its revocation.
    #[schema(required = true)]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// One thing that an API key may do. None of them changes settings, prompts, keys or identities.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
pub enum ApiScope {
    /// Ask a model.
    #[serde(rename = "chat")]
    Chat,
    /// List the models.
    #[serde(rename = "models.read")]
    ModelsRead,
    /// Read the conversation.
    #[serde(rename = "history.read")]
    HistoryRead,
    /// Read the settings in force.
    #[serde(rename = "profile.read")]
    ProfileRead,
}

impl ApiScope {
    /// Every scope.
    pub const ALL: [Self; 4] = [
        Self::Chat,
        Self::ModelsRead,
        Self::HistoryRead,
        Self::ProfileRead,
    ];

    /// The spelling in requests and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::ModelsRead => "models.read",
            Self::HistoryRead => "history.read",
            Self::ProfileRead => "profile.read",
        }
    }

    /// The scope with this spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// `POST /api/v1/keys`: what an API key is to be.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// Its purpose: one line of 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Its scopes; `chat` and `models.read` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 100)]
    pub scopes: Option<Vec<ApiScope>>,
    /// The models that it may ask, by any of their names; every one that its owner may choose if
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_items = 1, max_items = 100)]
    pub models: Option<Vec<String>>,
    /// Its lifetime in days; 90 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 365)]
    pub days: Option<u32>,
}

/// A new key, with the secret that is shown this once.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct NewKey {
    /// The secret that its owner gives to the program.
    #[schema(value_type = String)]
    pub token: Secret,
    /// The key.
    pub key: ApiKey,
}
