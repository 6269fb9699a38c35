//! What is decided before the body of a request is read: the credential, the standing of its owner,
//! how many requests there were, a place to run. See docs/adr/0016-admission-before-the-body.md.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use http::request::Parts;
use nexus_core::{ApiScope, Limit, Limits};
use nexus_run::limiter::Holder;
use nexus_run::{Admitted, RunError};

use crate::caller::{Admin, SignedIn};
use crate::peer::ClientAddress;
use crate::router::Access;
use crate::{ApiError, AppState, Caller};

/// Lets a request to a route reach its handler, or refuses it. Nothing of its body is read.
pub(crate) async fn check_access(
    State((state, access, asks)): State<(AppState, Access, bool)>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let caller = match access {
        Access::Anyone => {
            ClientAddress::of(&parts, &state).count(&state, Limit::AnonymousRequests)?;
            return Ok(next.run(Request::from_parts(parts, body)).await);
        }
        Access::Session => SignedIn::from_request_parts(&mut parts, &state).await?.0,
        Access::Scope(scope) => {
            let caller = Caller::from_request_parts(&mut parts, &state).await?;
            caller.may(scope)?;
            caller
        }
        Access::Admin => {
            let Admin(_) = Admin::from_request_parts(&mut parts, &state).await?;
            Caller::from_request_parts(&mut parts, &state).await?
        }
    };
    // Questions are counted as such.
    if !asks {
        count(&mut parts, &state, &caller, access).await?;
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Counts a read or a change, and notes on whose account its body will be.
async fn count(
    parts: &mut Parts,
    state: &AppState,
    caller: &Caller,
    access: Access,
) -> Result<(), ApiError> {
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    let limit = if is_read {
        Limit::Reads
    } else {
        Limit::Changes
    };
    let limiter = &state.orchestrator.limiter;
    limiter
        .count(&limits(state), limit, caller.key)
        .map_err(RunError::from)?;
    let admission = state.orchestrator.gate.admit(caller.key).await?;
    let holder = match admission {
        nexus_core::Admission::Member(_) => Holder::Member(caller.key),
        // Somebody may administer who is no member.
        _ if access == Access::Admin => Holder::Member(caller.key),
        // Keys are free to make.
        _ => {
            ClientAddress::of(parts, state).count(state, Limit::AnonymousRequests)?;
            Holder::Strangers
        }
    };
    parts.extensions.insert(holder);
    Ok(())
}

/// The limits in force.
pub(crate) fn limits(state: &AppState) -> Limits {
    let genesis = state.orchestrator.template.current();
    genesis.map_or_else(|_| Limits::default(), |genesis| *genesis.limits())
}

/// A request for a run, let in before its body is read.
pub(crate) struct Admission {
    pub(crate) caller: Caller,
    pub(crate) admitted: Admitted,
}

impl FromRequestParts<AppState> for Admission {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let mut admitted = state.orchestrator.admit(caller.key).await?;
        admitted.hides_prompts = !caller.credential.allows(ApiScope::ProfileRead);
        if !admitted.is_of_a_member() {
            // Keys are free to make.
            ClientAddress::of(parts, state).count(state, Limit::AnonymousRequests)?;
        }
        Ok(Self { caller, admitted })
    }
}
