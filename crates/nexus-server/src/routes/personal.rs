//! A person's own identity, settings, keys and sessions, each as a resource. Every one of these is
//! a command in other clothes.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use nexus_api::Object;
use nexus_api::command::Outcome;
use nexus_api::profile::NewValue;
use nexus_core::command::CommandError;
use nexus_core::field::UnknownField;
use nexus_core::identity::TIME_ZONE;
use nexus_core::{Command, CommandName, Field};
use serde_json::{Map, Value};

use super::commands::run;
use crate::proof::Provable;
use crate::{ApiError, AppState, body};

type Answer = Result<Json<Outcome>, ApiError>;

/// `POST /api/v1/identity`
pub(crate) async fn register(State(state): State<AppState>, provable: Provable) -> Answer {
    body::nothing(&provable.body)?;
    run(&state, provable, Command::Identity).await
}

/// `DELETE /api/v1/identity`
pub(crate) async fn erase(State(state): State<AppState>, provable: Provable) -> Answer {
    body::nothing(&provable.body)?;
    run(&state, provable, Command::IdentityDelete).await
}

/// `PUT /api/v1/profile/{field}`
pub(crate) async fn set(
    State(state): State<AppState>,
    Path(field): Path<String>,
    headers: HeaderMap,
    provable: Provable,
) -> Answer {
    body::check_kind(&headers)?;
    let NewValue { value } = body::parse(&provable.body)?;
    if field == TIME_ZONE {
        let arguments = Map::from_iter([("value".to_owned(), value)]);
        let command = Command::read(CommandName::TimeZoneSet, &arguments)?;
        return run(&state, provable, command).await;
    }
    let (command, arguments) = match parse_field(&field)? {
        Field::Config(field) => {
            let field = Value::from(field.as_str());
            (CommandName::ConfigSet, [("field", field), ("value", value)])
        }
        Field::Prompt(prompt) => {
            let name = Value::from(prompt.as_str());
            (CommandName::PromptSet, [("name", name), ("content", value)])
        }
    };
    let arguments = arguments.map(|(name, value)| (name.to_owned(), value));
    let command = Command::read(command, &Map::from_iter(arguments))?;
    run(&state, provable, command).await
}

/// `DELETE /api/v1/profile/{field}`
pub(crate) async fn unset(
    State(state): State<AppState>,
    Path(field): Path<String>,
    provable: Provable,
) -> Answer {
    body::nothing(&provable.body)?;
    if field == TIME_ZONE {
        return run(&state, provable, Command::TimeZoneUnset).await;
    }
    // Not only a field: also a stored key that names none.
    let (command, argument, name) = match field.strip_prefix("prompts.") {
        Some(name) => (CommandName::PromptUnset, "name", name),
        None => (CommandName::ConfigUnset, "field", &*field),
    };
    let arguments = Map::from_iter([(argument.to_owned(), name.into())]);
    let command = Command::read(command, &arguments)?;
    run(&state, provable, command).await
}

/// `GET /api/v1/keys`
pub(crate) async fn list_keys(State(state): State<AppState>, provable: Provable) -> Answer {
    run(&state, provable, Command::KeyList).await
}

/// `POST /api/v1/keys`
pub(crate) async fn create_key(
    State(state): State<AppState>,
    headers: HeaderMap,
    provable: Provable,
) -> Answer {
    body::check_kind(&headers)?;
    let Object(arguments) = body::parse(&provable.body)?;
    let command = Command::read(CommandName::KeyCreate, &arguments)?;
    run(&state, provable, command).await
}

/// `DELETE /api/v1/keys/{id}`
pub(crate) async fn revoke_key(
    State(state): State<AppState>,
    Path(id): Path<String>,
    provable: Provable,
) -> Answer {
    body::nothing(&provable.body)?;
    run(&state, provable, named(CommandName::KeyRevoke, id)?).await
}

/// `GET /api/v1/sessions`
pub(crate) async fn list_sessions(State(state): State<AppState>, provable: Provable) -> Answer {
    run(&state, provable, Command::SessionList).await
}

/// `DELETE /api/v1/sessions`
pub(crate) async fn revoke_sessions(State(state): State<AppState>, provable: Provable) -> Answer {
    body::nothing(&provable.body)?;
    run(&state, provable, Command::SessionRevokeAll).await
}

/// `DELETE /api/v1/sessions/{id}`
pub(crate) async fn revoke_session(
    State(state): State<AppState>,
    Path(id): Path<String>,
    provable: Provable,
) -> Answer {
    body::nothing(&provable.body)?;
    run(&state, provable, named(CommandName::SessionRevoke, id)?).await
}

/// A command about the one thing that the path names. What is no name at all is not there either.
fn named(command: CommandName, id: String) -> Result<Command, ApiError> {
    let arguments = Map::from_iter([("id".to_owned(), id.into())]);
    Command::read(command, &arguments).map_err(|_: CommandError| ApiError::not_found())
}

fn parse_field(text: &str) -> Result<Field, ApiError> {
    let field: Result<Field, UnknownField> = text.parse();
    field
        .map_err(|error| ApiError::unprocessable("unknown_field", error.to_string()).field("field"))
}
