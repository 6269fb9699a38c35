//! Whose request it is. The only credential is a token in the `Authorization` header.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use nexus_core::{Admission, PublicKey, Scope, Token};

use crate::{ApiError, AppState};

/// Whom the token of this request speaks for, member or visitor, and how far it reaches.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The key.
    pub key: PublicKey,
    /// How far the token reaches.
    pub scope: Scope,
}

/// The key of somebody who may change what belongs to the installation. It need not be a member.
#[derive(Clone, Copy, Debug)]
pub struct Admin(pub PublicKey);

/// The identity that the token of this request speaks for.
#[derive(Clone, Debug)]
pub struct Member(pub nexus_core::Member);

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(*caller);
        }
        let token = bearer(&parts.headers).ok_or_else(ApiError::unauthenticated)?;
        let session = state.orchestrator.gate.authenticate(&token).await?;
        let session = session.ok_or_else(ApiError::unauthenticated)?;
        let caller = Self {
            key: session.owner_key,
            scope: session.scope,
        };
        // Nobody after this needs the token, so nobody can let it slip.
        parts.headers.remove(AUTHORIZATION);
        parts.extensions.insert(caller);
        Ok(caller)
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.scope {
            Scope::Admin => Ok(Self(caller.key)),
            Scope::Personal => Err(ApiError::not_an_admin()),
        }
    }
}

impl FromRequestParts<AppState> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller { key, .. } = Caller::from_request_parts(parts, state).await?;
        match state.orchestrator.gate.admit(key).await? {
            Admission::Member(identity) => Ok(Self(identity)),
            Admission::Visitor => Err(ApiError::not_a_member()),
            Admission::Pending => Err(ApiError::pending()),
            Admission::Disabled => Err(ApiError::disabled()),
        }
    }
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
