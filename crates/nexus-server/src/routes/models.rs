//! `GET /api/v1/models`: who can be asked.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use nexus_core::{ConfigField, Genesis, Model};
use nexus_run::Orchestrator;
use serde::Serialize;

use crate::{ApiError, AppState, Caller};

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    default: Arc<str>,
    models: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: Arc<str>,
    id: Arc<str>,
    aliases: Vec<Arc<str>>,
    provider: Arc<str>,
    /// What the provider speaks.
    protocol: &'static str,
    /// Whether its provider has what it needs to be asked, and answers as far as is known.
    available: bool,
    /// Why not, if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whether a person may choose it.
    choosable: bool,
    default_params: Params,
}

#[derive(Debug, Serialize)]
struct Params {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
}

pub(crate) async fn list_models(
    State(state): State<AppState>,
    _: Caller,
) -> Result<Json<Answer>, ApiError> {
    let genesis = state.orchestrator.template.current()?;
    Ok(Json(answer(&genesis, &state.orchestrator)))
}

fn answer(genesis: &Genesis, orchestrator: &Orchestrator) -> Answer {
    let is_locked = genesis.lock(&ConfigField::Model.into()).is_some();
    let choosable: HashSet<_> = if is_locked {
        HashSet::new()
    } else {
        genesis.choosable_models().into_iter().collect()
    };
    let row = |model: &Arc<Model>| {
        let reason = orchestrator.unavailable(model);
        row(model, reason, choosable.contains(&*model.name))
    };
    Answer {
        default: Arc::clone(&genesis.default_model().name),
        models: genesis.catalog().iter().map(row).collect(),
    }
}

fn row(model: &Model, reason: Option<String>, choosable: bool) -> Row {
    Row {
        name: Arc::clone(&model.name),
        id: Arc::clone(&model.id),
        aliases: model.aliases.clone(),
        provider: Arc::clone(&model.provider.name),
        protocol: model.provider.protocol(),
        available: reason.is_none(),
        reason,
        choosable,
        default_params: Params {
            temperature: model.default_params.temperature,
            max_tokens: model.default_params.max_tokens,
        },
    }
}
