//! `GET` and `PUT /api/v1/admin/template`, `GET /api/v1/admin/template/versions` and one of them:
//! what everybody inherits, for those who run the server.

use std::error::Error;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::{HeaderMap, StatusCode};
use nexus_api::template::{
    Template, TemplateChange, TemplateChangeQuery, TemplateChanged, TemplateHealth as Health,
    TemplateVersion, VersionDetail, VersionPage, VersionQuery,
};
use nexus_core::Genesis;
use nexus_core::genesis::{GenesisDoc, Problems};
use nexus_run::{Destination, Proposal, ProposalError, TemplateHealth};
use nexus_store::StoreError;
use serde_json::{Map, Value, json};

use crate::body::shortened;
use crate::caller::Admin;
use crate::proof::AdminChange;
use crate::{ApiError, AppState, body};

/// How many identities the plan of one request looks at.
const PLANNED: u64 = 10_000;

/// How many versions are listed at a time.
const PAGE: u32 = 50;

fn health(health: TemplateHealth) -> Health {
    Health {
        version: health.version,
        emergency: health.is_emergency,
        problems: health.problems,
    }
}

fn shown(document: &GenesisDoc) -> Map<String, Value> {
    document.without_secrets().into_map()
}

pub(crate) async fn show_template(
    State(state): State<AppState>,
    _: Admin,
) -> Result<Json<Template>, ApiError> {
    let live = &state.orchestrator.template;
    let environment = live.environment();
    let stored = match state.orchestrator.store.template(environment).await {
        Err(StoreError::Corrupt { .. }) => None,
        other => other?,
    };
    let newest = state
        .orchestrator
        .store
        .template_versions(environment, None, 1);
    let newest = newest.await?.into_iter().next();
    // Both were read at different moments: the document is what counts.
    let newest = stored.as_ref().map(TemplateVersion::from).or(newest);
    let checked = stored
        .as_ref()
        .map(|stored| Genesis::check(&stored.doc, live.secrets()));
    let (warnings, problems) = match checked {
        Some(Ok(checked)) => (checked.warnings, Vec::new()),
        Some(Err(Problems(problems))) => (Vec::new(), problems),
        None => (Vec::new(), Vec::new()),
    };
    let (author, created_at, hash, version) = match newest {
        Some(it) => (
            Some(it.author),
            Some(it.created_at),
            Some(it.hash),
            it.version,
        ),
        None => (None, None, None, 0),
    };
    Ok(Json(Template {
        environment,
        version,
        author,
        created_at,
        hash,
        document: stored.map(|stored| shown(&stored.doc)),
        warnings,
        problems,
        health: health(live.health()),
    }))
}

pub(crate) async fn change_template(
    State(state): State<AppState>,
    options: Result<Query<TemplateChangeQuery>, QueryRejection>,
    headers: HeaderMap,
    by: AdminChange,
) -> Result<Json<TemplateChanged>, ApiError> {
    let Query(options) = options.map_err(|rejection| invalid_query(&rejection))?;
    body::check_kind(&headers)?;
    let change: TemplateChange = body::parse(&by.body)?;
    let (store, live) = (&*state.orchestrator.store, &state.orchestrator.template);
    let destination = Destination {
        store,
        environment: live.environment(),
        secrets: live.secrets(),
        at_most: Some(PLANNED),
    };
    let proposal = Proposal::new(destination, GenesisDoc::new(change.document.0)).await?;
    let current = proposal.current().unwrap_or(0);
    if current != change.expected_version {
        return Err(outdated(change.expected_version, current));
    }
    let (plan, warnings) = (proposal.plan.clone(), proposal.warnings.clone());
    let unreadable = proposal.unreadable.clone();
    let is_stored = !options.dry_run && proposal.changes_something();
    let version = if is_stored {
        let author = by.actor.to_string();
        let administration = by.administration(&state);
        let stored = proposal.store(&administration, &author).await?;
        // Whoever changed it sees it in force with their next request.
        live.reload().await;
        stored.version
    } else {
        current
    };
    Ok(Json(TemplateChanged {
        version,
        changed: is_stored,
        plan,
        warnings,
        unreadable,
    }))
}

pub(crate) async fn list_versions(
    State(state): State<AppState>,
    _: Admin,
    page: Result<Query<VersionQuery>, QueryRejection>,
) -> Result<Json<VersionPage>, ApiError> {
    let Query(page) = page.map_err(|rejection| invalid_query(&rejection))?;
    let environment = state.orchestrator.template.environment();
    let store = &state.orchestrator.store;
    let versions = store.template_versions(environment, page.before, PAGE);
    let versions = versions.await?;
    let oldest = versions.last().map(|oldest| oldest.version);
    Ok(Json(VersionPage {
        versions,
        next_before: oldest.filter(|oldest| *oldest > 1),
    }))
}

pub(crate) async fn show_version(
    State(state): State<AppState>,
    _: Admin,
    Path(version): Path<String>,
) -> Result<Json<VersionDetail>, ApiError> {
    let environment = state.orchestrator.template.environment();
    let store = &state.orchestrator.store;
    let stored = match version.parse() {
        Ok(version) => store.template_version(environment, version).await?,
        Err(_) => None,
    };
    let stored = stored.ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is no such version: GET /api/v1/admin/template/versions lists them",
        )
    })?;
    Ok(Json(VersionDetail {
        environment,
        version: TemplateVersion::from(&stored),
        document: shown(&stored.doc),
    }))
}

pub(crate) fn invalid_query(rejection: &QueryRejection) -> ApiError {
    let reason = rejection
        .source()
        .map_or_else(|| rejection.to_string(), ToString::to_string);
    ApiError::unprocessable("invalid_query", shortened(&reason))
}

fn outdated(expected: u64, current: u64) -> ApiError {
    let message = format!(
        "the stored template is version {current}, and you expected {expected}: read it again, \
         and change that one"
    );
    ApiError::new(StatusCode::CONFLICT, "conflict", message).details(json!({ "version": current }))
}

impl From<ProposalError> for ApiError {
    fn from(error: ProposalError) -> Self {
        match error {
            ProposalError::Problems(Problems(problems)) => {
                let message = match problems.len() {
                    1 => "the template has 1 mistake: details name it".to_owned(),
                    count => format!("the template has {count} mistakes: details name them"),
                };
                Self::unprocessable("invalid_template", message)
                    .details(json!({ "problems": problems }))
            }
            ProposalError::Conflict => {
                Self::new(StatusCode::CONFLICT, "conflict", error.to_string())
            }
            ProposalError::Store(error) => error.into(),
        }
    }
}
