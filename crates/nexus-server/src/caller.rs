//! Whose request it is. There are two ways to show a token: the `Authorization` header, or the
//! cookie that this server gave a browser. Everything after this reads the [`Caller`] only.

use std::collections::BTreeSet;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use nexus_core::{Admission, ApiScope, Limit, PublicKey, Scope, SessionId, Token, TokenKind};
use nexus_run::{Credential, RunError};

use crate::peer::ClientAddress;
use crate::{ApiError, AppState};

/// Whom the credential of this request speaks for, member or visitor, and how far it reaches.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key.
    pub key: PublicKey,
    /// What was shown.
    pub credential: Credential,
}

impl Caller {
    /// Its session; a program has none.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match &self.credential {
            Credential::Session(session) => Some(session.id()),
            Credential::ApiKey(_) => None,
        }
    }

    /// The models that it may ask. `None`: all that the person may.
    pub(crate) fn models(&self) -> Option<BTreeSet<String>> {
        match &self.credential {
            Credential::Session(_) => None,
            Credential::ApiKey(key) => key.models.clone(),
        }
    }

    /// Whether somebody at the machine made the token for administration.
    pub(crate) fn is_token_for_administration(&self) -> bool {
        matches!(&self.credential, Credential::Session(session) if session.scope == Scope::Admin)
    }

    /// Refuses what the credential does not reach.
    ///
    /// # Errors
    /// `insufficient_scope` for an API key without this scope.
    pub fn may(&self, scope: ApiScope) -> Result<(), ApiError> {
        if self.credential.allows(scope) {
            Ok(())
        } else {
            Err(ApiError::insufficient_scope(Some(scope)))
        }
    }
}

/// Somebody who is signed in; a program with an API key is not.
#[derive(Clone, Debug)]
pub struct SignedIn(pub Caller);

/// Whether a request shows the session of somebody who is signed in. `None`: that cannot be told at the
/// moment. It refuses nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsSignedIn(pub Option<bool>);

/// The key of somebody who may change what belongs to the installation. It need not be a member.
#[derive(Clone, Copy, Debug)]
pub struct Admin(pub PublicKey);

/// The identity that the credential of this request speaks for.
#[derive(Clone, Debug)]
pub struct Member(pub nexus_core::Member);

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let token = token(&parts.headers, state);
        let is_header = parts.headers.contains_key(AUTHORIZATION);
        if is_header
            && token
                .as_ref()
                .is_some_and(|it| it.kind() == TokenKind::Browser)
        {
            return Err(ApiError::cookie_in_a_header());
        }
        let credential = match token {
            Some(token) => state.orchestrator.gate.authenticate(&token).await?,
            None => None,
        };
        let Some(credential) = credential else {
            // Whoever guesses is told nothing after a while.
            ClientAddress::of(parts, state).count(state, Limit::AnonymousRequests)?;
            return Err(ApiError::unauthenticated());
        };
        let caller = Self {
            key: credential.owner_key(),
            credential,
        };
        // Nobody after this needs the token, so nobody can let it slip.
        parts.headers.remove(AUTHORIZATION);
        parts.headers.remove(COOKIE);
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.credential {
            Credential::Session(_) => Ok(Self(caller)),
            Credential::ApiKey(_) => Err(ApiError::insufficient_scope(None)),
        }
    }
}

impl FromRequestParts<AppState> for IsSignedIn {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        if token(&parts.headers, state).is_none() {
            return Ok(Self(Some(false)));
        }
        let told = match SignedIn::from_request_parts(parts, state).await {
            Ok(_) => Some(true),
            Err(refused) => {
                let is_known = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                is_known.contains(&refused.status()).then_some(false)
            }
        };
        Ok(Self(told))
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let SignedIn(caller) = SignedIn::from_request_parts(parts, state).await?;
        if caller.is_token_for_administration() || is_admin(state, caller.key).await? {
            Ok(Self(caller.key))
        } else {
            Err(ApiError::not_an_admin())
        }
    }
}

/// Whether boot configuration, or somebody at the machine, made this key an administrator's.
pub(crate) async fn is_admin(state: &AppState, key: PublicKey) -> Result<bool, ApiError> {
    if state.admins.contains(&key) {
        return Ok(true);
    }
    let admission = state.orchestrator.gate.admit(key).await?;
    Ok(matches!(admission, Admission::Member(member) if member.is_admin))
}

impl FromRequestParts<AppState> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller { key, .. } = Caller::from_request_parts(parts, state).await?;
        Self::try_from(state.orchestrator.gate.admit(key).await?)
    }
}

impl TryFrom<Admission> for Member {
    type Error = ApiError;

    fn try_from(admission: Admission) -> Result<Self, ApiError> {
        match admission {
            Admission::Member(identity) => Ok(Self(identity)),
            Admission::Visitor => Err(ApiError::not_a_member()),
            Admission::Pending => Err(ApiError::pending()),
            Admission::Disabled => Err(ApiError::disabled()),
            Admission::Unreadable => Err(RunError::IdentityUnreadable.into()),
        }
    }
}

/// The token of the header or, without such a header, of the cookie.
fn token(headers: &HeaderMap, state: &AppState) -> Option<Token> {
    if headers.contains_key(AUTHORIZATION) {
        return bearer(headers);
    }
    let origin = state.origins.of_request(headers)?;
    crate::cookie::read(headers, origin)
}

/// The token, when there is exactly one credential and it has the form of a token.
fn bearer(headers: &HeaderMap) -> Option<Token> {
    let mut credentials = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (credentials.next(), credentials.next()) else {
        return None;
    };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Token::parse(token).ok()
}
