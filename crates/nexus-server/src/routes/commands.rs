//! `GET /api/v1/commands`, `POST /api/v1/commands/execute`: what a person can tell Nexus to do.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use nexus_api::command::{CommandCall, CommandList, Outcome};
use nexus_core::{Admission, Command, CommandName, Limit};
use nexus_run::commands::{Authority, Order, describe};

use crate::caller::is_admin;
use crate::proof::Provable;
use crate::{ApiError, AppState, body};

pub(crate) async fn list_commands(
    State(state): State<AppState>,
) -> Result<Json<CommandList>, ApiError> {
    let genesis = state.orchestrator.template.current()?;
    let commands = describe(&genesis, None);
    Ok(Json(CommandList { commands }))
}

pub(crate) async fn execute(
    State(state): State<AppState>,
    headers: HeaderMap,
    provable: Provable,
) -> Result<Json<Outcome>, ApiError> {
    body::check_kind(&headers)?;
    let call: CommandCall = body::parse(&provable.body)?;
    let name: CommandName = call.command.parse()?;
    let command = Command::read(name, &call.arguments.0)?;
    run(&state, provable, command).await
}

/// Executes a command for whoever is signed in. Every route that changes something ends here.
pub(crate) async fn run(
    state: &AppState,
    provable: Provable,
    command: Command,
) -> Result<Json<Outcome>, ApiError> {
    let Provable {
        caller,
        proof,
        address,
        ..
    } = provable;
    // Keys are free to make: only what becomes an identity counts.
    if matches!(command, Command::Identity) && proof.is_some() {
        let admission = state.orchestrator.gate.admit(caller.key).await?;
        if matches!(admission, Admission::Visitor) {
            address.count(state, Limit::Registrations)?;
        }
    }
    let authority = Authority::Person {
        session: caller.session(),
        signature: proof.map(|proof| proof.signature),
        is_admin: is_admin(state, caller.key).await?,
    };
    let order = Order {
        subject: caller.key,
        authority,
        command,
    };
    Ok(Json(state.commands.execute(order).await?))
}
