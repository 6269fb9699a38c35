//! A body together with the signature that its request may carry.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::{HOST, HeaderName};
use http::{HeaderMap, StatusCode};
use nexus_core::audit::Actor;
use nexus_core::auth::RequestToVerify;
use nexus_core::auth::request::Target;
use nexus_run::limiter::Holder;
use nexus_run::{Administration, Proof, Reserved};

use crate::body::{self, MAX_BODY_BYTES};
use crate::caller::{Admin, SignedIn};
use crate::peer::ClientAddress;
use crate::{ApiError, AppState, Caller};

/// The longest body of a request that changes something, in bytes.
const MAX_BYTES: usize = 64 * 1024;

const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

/// Who asks, the exact bytes of the body, and the proof that they meant exactly this.
pub(crate) struct Provable {
    pub(crate) caller: Caller,
    pub(crate) proof: Option<Proof>,
    pub(crate) body: Vec<u8>,
    /// What the body takes.
    memory: Reserved,
    pub(crate) address: ClientAddress,
}

/// A change to what belongs to the installation, by somebody who may make it. Each one is signed
/// anew with their key, whatever token they show: a token that leaks changes nothing.
pub(crate) struct AdminChange {
    pub(crate) actor: Actor,
    pub(crate) signature: String,
    pub(crate) body: Vec<u8>,
    /// What the body takes.
    _memory: Reserved,
}

impl AdminChange {
    /// Makes the change, on the record of whoever asked for it.
    pub(crate) fn administration<'a>(&self, state: &'a AppState) -> Administration<'a> {
        Administration {
            store: &*state.orchestrator.store,
            at: state.orchestrator.clock.now(),
            actor: self.actor.clone(),
            signature: Some(self.signature.clone()),
        }
    }
}

impl FromRequest<AppState> for AdminChange {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Admin(key) = Admin::from_request_parts(&mut parts, state).await?;
        let request = Request::from_parts(parts, body);
        let provable = Provable::arrive(request, state, MAX_BODY_BYTES).await?;
        let proof = provable.proof.ok_or_else(|| {
            ApiError::new(
                StatusCode::UNAUTHORIZED,
                "signature_required",
                "this change needs a fresh signature with your key: sign this request, and send it again",
            )
        })?;
        Ok(Self {
            actor: Actor::Key(key),
            signature: proof.signature,
            body: provable.body,
            _memory: provable.memory,
        })
    }
}

impl FromRequest<AppState> for Provable {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        Self::arrive(request, state, MAX_BYTES).await
    }
}

impl Provable {
    /// Takes a request whose body is `most` bytes long at most.
    async fn arrive(request: Request, state: &AppState, most: usize) -> Result<Self, ApiError> {
        let (mut parts, incoming) = request.into_parts();
        let address = ClientAddress::of(&parts, state);
        let SignedIn(caller) = SignedIn::from_request_parts(&mut parts, state).await?;
        let target = parts.uri.clone();
        let (method, headers) = (parts.method.clone(), parts.headers.clone());
        let holder = parts.extensions.get::<Holder>().copied();
        let holder = holder.unwrap_or(Holder::Strangers);
        let mut memory = state.orchestrator.limiter.memory.reserve(holder);
        let request = Request::from_parts(parts, incoming);
        let body = body::arrive(request, state, most, &mut memory).await?;
        let is_signed = [SIGNATURE, SIGNATURE_INPUT]
            .iter()
            .any(|name| headers.contains_key(name));
        if !is_signed {
            return Ok(Self {
                caller,
                proof: None,
                body,
                memory,
                address,
            });
        }
        let authority = headers.get(HOST).and_then(|host| host.to_str().ok());
        let lines = lines(&headers);
        let request = RequestToVerify {
            target: Target {
                method: method.as_str(),
                authority: authority.unwrap_or_default(),
                path: target.path(),
                query: target.query(),
            },
            body: &body,
            headers: &lines,
        };
        let proof = state.sign_in.prove(&request).await?;
        if proof.key != caller.key {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "other_key",
                "the signature of this request is of another key than the one that is signed in",
            ));
        }
        Ok(Self {
            caller,
            proof: Some(proof),
            body,
            memory,
            address,
        })
    }
}

fn lines(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    let lines = headers.iter();
    lines
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}
