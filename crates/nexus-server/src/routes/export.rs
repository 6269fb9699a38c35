//! `GET /api/v1/export`: everything that is stored about a person, as one bundle.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Json};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use nexus_api::command::Outcome;
use nexus_core::Command;
use nexus_run::Export;
use nexus_run::limiter::ExportRefused;

use super::commands::run;
use crate::caller::Member;
use crate::proof::Provable;
use crate::{ApiError, AppState, body};

/// How many lines are sent at a time. Before each piece the credential is looked at again.
const PIECE: usize = 64;

fn refused(refused: ExportRefused) -> ApiError {
    let message = refused.to_string();
    match refused {
        ExportRefused::InProgress => {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "export_in_progress", message)
                .retry_after(30)
        }
        ExportRefused::Busy => ApiError::overloaded(message),
    }
}

pub(crate) async fn export(
    State(state): State<AppState>,
    Member(member): Member,
    provable: Provable,
) -> Result<Response, ApiError> {
    body::nothing(&provable.body)?;
    let credential = provable.caller.credential.clone();
    let place = state.orchestrator.limiter.begin_export(member.public_key);
    let place = place.map_err(refused)?;
    // Whoever may not execute the command does not get here either.
    let _: Json<Outcome> = run(&state, provable, Command::Export).await?;
    let export = Export {
        store: state.orchestrator.store.clone(),
        signing_key: state.sign_in.signing_key().await?,
        at: state.orchestrator.clock.now(),
    };
    let name = format!("attachment; filename=\"nexus-{}.jsonl\"", member.public_key);
    let gate = Arc::clone(&state.orchestrator.gate);
    let lines = export.lines(member).ready_chunks(PIECE);
    let pieces = lines.then(move |lines| {
        let (gate, credential) = (Arc::clone(&gate), credential.clone());
        // It is held as long as the bundle is read.
        let _ = &place;
        async move {
            if !gate.still_accepts(&credential).await? {
                // The connection is cut, so that whoever reads knows that this is not all.
                return Err("the credential is not accepted any more".into());
            }
            Ok::<_, BoxError>(lines.into_iter().collect::<Result<String, _>>()?)
        }
    });
    let headers = [
        (CONTENT_TYPE, "application/jsonl".to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
