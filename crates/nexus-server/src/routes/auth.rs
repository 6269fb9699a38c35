//! `/api/v1/auth/…`: signing in with a key, and out again.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use nexus_api::auth::{Challenge, Secret, SignIn, SignedIn, SignedInStanding, SignedOut};
use nexus_core::auth::Origin;
use nexus_core::{Admission, Label, Limit, PublicKey, Session, TokenKind};
use nexus_run::limiter::Holder;
use nexus_run::orchestrator::{DISABLED, GUIDANCE, PENDING};
use nexus_run::{Credential, SignInError, SignedChallenge};
use serde::Serialize;

use crate::body::{self, MAX_STRANGER_BYTES};
use crate::caller::{self, is_admin};
use crate::peer::ClientAddress;
use crate::{ApiError, AppState, cookie};

/// `POST /api/v1/auth/challenge`
pub(crate) async fn challenge(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Json<Challenge>, ApiError> {
    let origin = origin(&state, &headers)?;
    Ok(Json(state.sign_in.challenge(origin.authority()).await?))
}

/// `POST /api/v1/auth/verify`
pub(crate) async fn verify(
    State(state): State<AppState>,
    headers: HeaderMap,
    address: ClientAddress,
    request: Request,
) -> Result<Response, ApiError> {
    address.count(&state, Limit::SignIns)?;
    body::check_kind(&headers)?;
    let mut memory = state.orchestrator.limiter.memory.reserve(Holder::Strangers);
    let bytes = body::arrive(request, &state, MAX_STRANGER_BYTES, &mut memory).await?;
    let signed: SignIn = body::read(&bytes, &mut memory)?;
    let origin = origin(&state, &headers)?;
    let client = headers.get(USER_AGENT).and_then(|it| it.to_str().ok());
    let client = Label::cut(client.unwrap_or_default());
    let kind = if signed.cookie {
        TokenKind::Browser
    } else {
        TokenKind::Session
    };
    let given = SignedChallenge {
        message: &signed.message,
        signature: &signed.signature,
        client,
        kind,
    };
    let new = state.sign_in.verify(origin.authority(), given).await?;
    let mut answer = describe(&state, new.session).await?;
    if !signed.cookie {
        answer.token = Some(Secret(new.token.reveal().to_owned()));
        return Ok(Json(answer).into_response());
    }
    let life = answer.session.expires_at - answer.session.created_at;
    let header = cookie::set(&new.token, origin, life.num_seconds());
    Ok(with_cookie(header, Json(answer)))
}

/// `GET /api/v1/auth/session`
pub(crate) async fn show_session(
    State(state): State<AppState>,
    caller::SignedIn(caller): caller::SignedIn,
) -> Result<Json<SignedIn>, ApiError> {
    match caller.credential {
        Credential::Session(session) => Ok(Json(describe(&state, session).await?)),
        Credential::ApiKey(_) => Err(ApiError::insufficient_scope(None)),
    }
}

/// `DELETE /api/v1/auth/session`
pub(crate) async fn sign_out(
    State(state): State<AppState>,
    caller::SignedIn(caller): caller::SignedIn,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(id) = caller.session() {
        state
            .orchestrator
            .store
            .revoke_session(caller.key, id)
            .await?;
    }
    let origin = state.origins.of_request(&headers);
    let header = origin.and_then(cookie::remove);
    Ok(with_cookie(header, Json(SignedOut { signed_out: true })))
}

async fn describe(state: &AppState, session: Session) -> Result<SignedIn, ApiError> {
    let key: PublicKey = session.owner_key;
    let (standing, guidance) = match state.orchestrator.gate.admit(key).await? {
        Admission::Member(_) => (SignedInStanding::Member, None),
        Admission::Visitor => (SignedInStanding::Visitor, Some(GUIDANCE)),
        Admission::Pending => (SignedInStanding::Pending, Some(PENDING)),
        Admission::Disabled => (SignedInStanding::Disabled, Some(DISABLED)),
        Admission::Unreadable => (SignedInStanding::Unreadable, None),
    };
    Ok(SignedIn {
        public_key: key.to_checksummed(),
        standing,
        is_admin: is_admin(state, key).await?,
        guidance: guidance.map(Into::into),
        session: session.into(),
        token: None,
    })
}

fn origin<'a>(state: &'a AppState, headers: &HeaderMap) -> Result<&'a Origin, ApiError> {
    let origin = state.origins.of_request(headers);
    origin.ok_or_else(|| SignInError::NoOrigin.into())
}

fn with_cookie(header: Option<HeaderValue>, answer: Json<impl Serialize>) -> Response {
    let mut response = answer.into_response();
    if let Some(header) = header {
        response.headers_mut().insert(SET_COOKIE, header);
    }
    response
}
