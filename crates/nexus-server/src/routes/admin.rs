//! `/api/v1/admin/identities`, `/api/v1/admin/audit`: who is registered, and what was done. Nothing
//! here reads what people wrote or set.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::{HeaderMap, StatusCode};
use nexus_api::audit::{AuditPage, AuditQuery};
use nexus_api::identity::{
    Decision, Erased, Identity as Row, IdentityPage, IdentityQuery, Standing, StandingChange,
};
use nexus_core::{Identity, IdentityWrite, PublicKey};
use nexus_run::{CommandFailure, RunError};
use nexus_store::StoreError;

use super::template::invalid_query;
use crate::caller::Admin;
use crate::proof::AdminChange;
use crate::{ApiError, AppState, body};

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 500;

fn row(identity: &Identity) -> Row {
    Row {
        public_key: identity.public_key.to_string(),
        standing: identity.standing,
        is_admin: identity.is_admin,
        created_at: identity.created_at,
    }
}

pub(crate) async fn list_identities(
    State(state): State<AppState>,
    _: Admin,
    query: Result<Query<IdentityQuery>, QueryRejection>,
) -> Result<Json<IdentityPage>, ApiError> {
    let Query(query) = query.map_err(|rejection| invalid_query(&rejection))?;
    let store = &state.orchestrator.store;
    let limit = limit(query.limit)?;
    let page = match query.standing {
        Some(standing) => store.identities_by_standing(standing, query.after, limit),
        None => store.identities(query.after, limit),
    };
    let page = page.await?;
    Ok(Json(IdentityPage {
        identities: page.identities.iter().map(row).collect(),
        unreadable: page.unreadable,
        next_after: page.next,
        counts: store.count_identities().await?,
    }))
}

/// `GET /api/v1/admin/identities/{key}`
pub(crate) async fn show_identity(
    State(state): State<AppState>,
    _: Admin,
    Path(key): Path<String>,
) -> Result<Json<Row>, ApiError> {
    let found = state.orchestrator.store.identity(parse_key(&key)?).await;
    let identity = found.map_err(unreadable)?.ok_or_else(nobody)?;
    Ok(Json(row(&identity)))
}

/// `PUT /api/v1/admin/identities/{key}`
pub(crate) async fn decide(
    State(state): State<AppState>,
    Path(key): Path<String>,
    headers: HeaderMap,
    change: AdminChange,
) -> Result<Json<Row>, ApiError> {
    body::check_kind(&headers)?;
    let StandingChange { standing } = body::parse(&change.body)?;
    let standing = match standing {
        Decision::Active => Standing::Active,
        Decision::Disabled => Standing::Disabled,
    };
    let administration = change.administration(&state);
    let write = IdentityWrite::Standing(standing);
    let changed = administration.change(parse_key(&key)?, write).await;
    Ok(Json(row(&changed.map_err(refused)?)))
}

/// `DELETE /api/v1/admin/identities/{key}`
pub(crate) async fn erase(
    State(state): State<AppState>,
    Path(key): Path<String>,
    change: AdminChange,
) -> Result<Json<Erased>, ApiError> {
    body::nothing(&change.body)?;
    let administration = change.administration(&state);
    let erased = administration.erase(parse_key(&key)?).await;
    erased.map(Json).map_err(refused)
}

/// `GET /api/v1/admin/audit`
pub(crate) async fn list_audit(
    State(state): State<AppState>,
    _: Admin,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<AuditPage>, ApiError> {
    let Query(query) = query.map_err(|rejection| invalid_query(&rejection))?;
    let limit = limit(query.limit)?;
    let page = state.orchestrator.store.audit(query.after, limit).await?;
    Ok(Json(AuditPage {
        next_after: page.next,
        unreadable: page.unreadable,
        entries: page.entries.into_iter().map(Into::into).collect(),
    }))
}

fn limit(asked: Option<u32>) -> Result<u32, ApiError> {
    let limit = asked.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("limit must be a whole number from 1 to {MAX_LIMIT}");
    Err(ApiError::unprocessable("invalid_limit", message).field("limit"))
}

/// What is no key is nobody's.
fn parse_key(text: &str) -> Result<PublicKey, ApiError> {
    text.parse().map_err(|_| nobody())
}

/// It is not the caller who is no member.
fn refused(failure: CommandFailure) -> ApiError {
    match failure {
        CommandFailure::NotAMember => nobody(),
        CommandFailure::Run(RunError::IdentityUnreadable) => cannot_be_read(),
        other => other.into(),
    }
}

fn unreadable(error: StoreError) -> ApiError {
    match error {
        StoreError::Corrupt { .. } => cannot_be_read(),
        error => error.into(),
    }
}

/// It is not the caller whose identity cannot be read.
fn cannot_be_read() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "identity_unreadable",
        "this identity is stored in a form that Nexus cannot read: GET /api/v1/admin/quarantine \
         tells what is wrong with it, and DELETE /api/v1/admin/identities/{key} erases it",
    )
}

fn nobody() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "nobody is registered with this key: GET /api/v1/admin/identities lists who is",
    )
}
