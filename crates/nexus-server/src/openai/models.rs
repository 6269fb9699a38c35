//! `GET /v1/models`: who can be asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use nexus_core::{ConfigField, Genesis, Model};
use nexus_run::personal;
use serde::Serialize;

use crate::{ApiError, AppState, Caller, Member};

/// The model that is in force for the person, whichever it is.
const OWN: &str = "nexus";

#[derive(Debug, Serialize)]
pub(crate) struct List {
    object: &'static str,
    data: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    id: Arc<str>,
    object: &'static str,
    /// When it came to be. Nobody knows.
    created: u64,
    owned_by: Arc<str>,
}

impl Row {
    fn new(id: impl Into<Arc<str>>, owned_by: impl Into<Arc<str>>) -> Self {
        Self {
            id: id.into(),
            object: "model",
            created: 0,
            owned_by: owned_by.into(),
        }
    }

    fn of(model: &Model) -> Self {
        Self::new(Arc::clone(&model.name), Arc::clone(&model.provider.name))
    }
}

/// `GET /v1/models`
pub(crate) async fn list_models(
    State(state): State<AppState>,
    Member(member): Member,
    caller: Caller,
) -> Result<Json<List>, ApiError> {
    let genesis = state.orchestrator.template.current()?;
    let own = personal::profile(&genesis, &member).model.value;
    let models = askable(&genesis, &own, &caller);
    let data = [Row::new(OWN, OWN)]
        .into_iter()
        .chain(models.map(|model| Row::of(model)));
    Ok(Json(List {
        object: "list",
        data: data.collect(),
    }))
}

/// `GET /v1/models/{id}`
pub(crate) async fn show_model(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Member(member): Member,
    caller: Caller,
) -> Result<Json<Row>, ApiError> {
    if id == OWN {
        return Ok(Json(Row::new(OWN, OWN)));
    }
    let genesis = state.orchestrator.template.current()?;
    let own = personal::profile(&genesis, &member).model.value;
    let asked = genesis.model(&id);
    let found = asked
        .and_then(|asked| askable(&genesis, &own, &caller).find(|model| model.name == asked.name));
    found
        .map(|model| Json(Row::of(model)))
        .ok_or_else(|| ApiError::no_such_model(&id))
}

/// What this person may ask, with this credential. Where the template lets nobody choose, that is
/// the one in force.
fn askable<'a>(
    genesis: &'a Genesis,
    own: &Model,
    caller: &Caller,
) -> impl Iterator<Item = &'a Arc<Model>> {
    let policy = genesis.policy(ConfigField::Model);
    let models = caller.models();
    genesis.catalog().iter().filter(move |model| {
        let may_choose = policy.lock.is_none() && policy.bounds.admits_model(&model.name);
        let is_own = model.name == own.name;
        let key_allows = models
            .as_ref()
            .is_none_or(|allowed| allowed.contains(&*model.name));
        (may_choose || is_own) && key_allows
    })
}
