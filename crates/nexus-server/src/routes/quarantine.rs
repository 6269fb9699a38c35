//! `/api/v1/admin/quarantine`: the documents that cannot be read, by name. Each of them hides only
//! itself, and can be deleted.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use nexus_api::identity::Erased;
use nexus_api::quarantine::{Collection, QuarantinePage, QuarantineQuery};

use super::template::invalid_query;
use crate::caller::Admin;
use crate::proof::AdminChange;
use crate::{ApiError, AppState, body};

/// How many documents one request looks at.
const LOOKED_AT: u32 = 1_000;

/// `GET /api/v1/admin/quarantine`
pub(crate) async fn list_unreadable(
    State(state): State<AppState>,
    _: Admin,
    query: Result<Query<QuarantineQuery>, QueryRejection>,
) -> Result<Json<QuarantinePage>, ApiError> {
    let Query(query) = query.map_err(|rejection| invalid_query(&rejection))?;
    let QuarantineQuery { collection, after } = query;
    let store = &state.orchestrator.store;
    let page = store.unreadable(collection, after, LOOKED_AT).await?;
    Ok(Json(QuarantinePage {
        collection,
        unreadable: page.unreadable,
        looked_at: page.looked_at,
        next_after: page.next,
    }))
}

/// `DELETE /api/v1/admin/quarantine/{collection}/{id}`
pub(crate) async fn delete_unreadable(
    State(state): State<AppState>,
    Path((collection, id)): Path<(String, String)>,
    change: AdminChange,
) -> Result<Json<Erased>, ApiError> {
    body::nothing(&change.body)?;
    let collection: Collection = collection.parse().map_err(|_| not_there())?;
    if !collection.is_deletable() {
        return Err(ApiError::unprocessable(
            "not_deletable",
            "nothing is ever deleted of the audit and of the versions of the template: a template \
             that cannot be read is followed by the next one that is stored",
        ));
    }
    let administration = change.administration(&state);
    let erased = administration.delete_unreadable(collection, &id).await?;
    erased.map(Json).ok_or_else(not_there)
}

fn not_there() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "no document with this id is unreadable: GET /api/v1/admin/quarantine lists those that are",
    )
}
