//! `GET /api/v1/models`: who can be asked.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use nexus_api::model::{DefaultParams, Model as Row, ModelList};
use nexus_core::{ConfigField, Genesis, Model};
use nexus_run::Orchestrator;

use crate::{ApiError, AppState, Caller};

pub(crate) async fn list_models(
    State(state): State<AppState>,
    _: Caller,
) -> Result<Json<ModelList>, ApiError> {
    let genesis = state.orchestrator.template.current()?;
    Ok(Json(answer(&genesis, &state.orchestrator)))
}

fn answer(genesis: &Genesis, orchestrator: &Orchestrator) -> ModelList {
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
    ModelList {
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
        protocol: model.provider.protocol().into(),
        available: reason.is_none(),
        reason,
        choosable,
        default_params: DefaultParams {
            temperature: model.default_params.temperature,
            max_tokens: model.default_params.max_tokens,
        },
    }
}
