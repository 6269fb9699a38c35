//! `GET /api/v1/export`: everything that is stored about a person, as one bundle.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use nexus_core::Command;
use nexus_run::{Export, Outcome};

use super::commands::run;
use crate::caller::Member;
use crate::proof::Provable;
use crate::{ApiError, AppState, body};

/// How many bytes are collected before they are sent.
const PIECE: usize = 64;

pub(crate) async fn export(
    State(state): State<AppState>,
    Member(member): Member,
    provable: Provable,
) -> Result<Response, ApiError> {
    body::nothing(&provable.body)?;
    // Whoever may not execute the command does not get here either.
    let _: Json<Outcome> = run(&state, provable, Command::Export).await?;
    let export = Export {
        store: state.orchestrator.store.clone(),
        signing_key: state.sign_in.signing_key().await?,
        at: state.orchestrator.clock.now(),
    };
    let name = format!("attachment; filename=\"nexus-{}.jsonl\"", member.public_key);
    let lines = export.lines(member).ready_chunks(PIECE);
    let pieces = lines.map(|lines| lines.into_iter().collect::<Result<String, _>>());
    let headers = [
        (CONTENT_TYPE, "application/jsonl".to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
