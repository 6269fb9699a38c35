//! `GET` and `PUT /api/v1/admin/template`, `GET /api/v1/admin/template/versions` and one of them:
//! what everybody inherits, for those who run the server.

use std::error::Error;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::{HeaderMap, StatusCode};
use nexus_core::genesis::{GenesisDoc, Problem, Problems};
use nexus_core::plan::Plan;
use nexus_core::{Environment, Genesis, Timestamp};
use nexus_run::{Destination, Proposal, ProposalError, TemplateHealth};
use nexus_store::{StoreError, TemplateVersion, Unreadable};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::body::shortened;
use crate::caller::Admin;
use crate::object::Object;
use crate::proof::AdminChange;
use crate::{ApiError, AppState, body};

/// How many identities the plan of one request looks at.
const PLANNED: u64 = 10_000;

/// How many versions are listed at a time.
const PAGE: u32 = 50;

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    environment: Environment,
    /// 0: there is none yet.
    version: u64,
    author: Option<String>,
    created_at: Option<Timestamp>,
    hash: Option<String>,
    /// Without keys that somebody wrote in clear.
    document: Option<GenesisDoc>,
    /// What is odd about it.
    warnings: Vec<Problem>,
    /// Why it cannot be used, if it cannot.
    problems: Vec<Problem>,
    health: Health,
}

/// What is in force on this node.
#[derive(Debug, Serialize)]
struct Health {
    version: Option<u64>,
    emergency: bool,
    problems: Vec<String>,
}

impl From<TemplateHealth> for Health {
    fn from(health: TemplateHealth) -> Self {
        Self {
            version: health.version,
            emergency: health.is_emergency,
            problems: health.problems,
        }
    }
}

pub(crate) async fn show_template(
    State(state): State<AppState>,
    _: Admin,
) -> Result<Json<Answer>, ApiError> {
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
    Ok(Json(Answer {
        environment,
        version,
        author,
        created_at,
        hash,
        document: stored.map(|stored| stored.doc.without_secrets()),
        warnings,
        problems,
        health: live.health().into(),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    document: Object,
    /// The version that the document was made from. 0: there was none.
    expected_version: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// The version that is stored now.
    version: u64,
    /// Whether this request made it.
    changed: bool,
    plan: Plan,
    warnings: Vec<Problem>,
    /// Identities that the plan leaves out, because they cannot be read: the first 100.
    unreadable: Vec<Unreadable>,
}

pub(crate) async fn change_template(
    State(state): State<AppState>,
    options: Result<Query<Options>, QueryRejection>,
    headers: HeaderMap,
    by: AdminChange,
) -> Result<Json<Outcome>, ApiError> {
    let Query(options) = options.map_err(|rejection| invalid_query(&rejection))?;
    body::check_kind(&headers)?;
    let change: Change = body::parse(&by.body)?;
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
    Ok(Json(Outcome {
        version,
        changed: is_stored,
        plan,
        warnings,
        unreadable,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Before {
    before: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Versions {
    versions: Vec<TemplateVersion>,
    /// What `before` is for the next page. `null`: these were the oldest.
    next_before: Option<u64>,
}

pub(crate) async fn list_versions(
    State(state): State<AppState>,
    _: Admin,
    page: Result<Query<Before>, QueryRejection>,
) -> Result<Json<Versions>, ApiError> {
    let Query(page) = page.map_err(|rejection| invalid_query(&rejection))?;
    let environment = state.orchestrator.template.environment();
    let store = &state.orchestrator.store;
    let versions = store.template_versions(environment, page.before, PAGE);
    let versions = versions.await?;
    let oldest = versions.last().map(|oldest| oldest.version);
    Ok(Json(Versions {
        versions,
        next_before: oldest.filter(|oldest| *oldest > 1),
    }))
}

/// One accepted version with its document, without keys that somebody wrote in clear.
#[derive(Debug, Serialize)]
pub(crate) struct OneVersion {
    environment: Environment,
    #[serde(flatten)]
    stored: TemplateVersion,
    document: GenesisDoc,
}

pub(crate) async fn show_version(
    State(state): State<AppState>,
    _: Admin,
    Path(version): Path<String>,
) -> Result<Json<OneVersion>, ApiError> {
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
    Ok(Json(OneVersion {
        environment,
        stored: TemplateVersion::from(&stored),
        document: stored.doc.without_secrets(),
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
