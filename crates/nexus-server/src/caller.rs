//! Whose request it is. The only credential is a token in the `Authorization` header.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use nexus_core::{Admission, Identity, PublicKey, Token};

use crate::{ApiError, AppState};

/// The key that the token of this request speaks for, member or visitor.
#[derive(Clone, Copy, Debug)]
pub struct Caller(pub PublicKey);

/// The identity that the token of this request speaks for.
#[derive(Clone, Debug)]
pub struct Member(pub Arc<Identity>);

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(*caller);
        }
        let token = bearer(&parts.headers).ok_or_else(ApiError::unauthenticated)?;
        let key = state.orchestrator.gate.authenticate(&token).await?;
        let caller = Self(key.ok_or_else(ApiError::unauthenticated)?);
        // Nobody after this needs the token, so nobody can let it slip.
        parts.headers.remove(AUTHORIZATION);
        parts.extensions.insert(caller);
        Ok(caller)
    }
}

impl FromRequestParts<AppState> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller(key) = Caller::from_request_parts(parts, state).await?;
        match state.orchestrator.gate.admit(key).await? {
            Admission::Member(identity) => Ok(Self(identity)),
            Admission::Visitor => Err(ApiError::not_a_member()),
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
