//! `/api/v1/commands`, and what commands and the resources that stand for them answer.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Object;
use crate::auth::ListedSession;
use crate::identity::{Erased, Registered};
use crate::key::{ApiKey, NewKey};
use crate::message::Message;
use crate::model::ChoosableModel;
use crate::profile::{FieldChanged, ProfileField, TimeZone};

/// `GET /api/v1/commands`: every command of this server.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct CommandList {
    /// In the order in which people read them.
    pub commands: Vec<CommandDescription>,
}

/// A command, described for a person on this server.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct CommandDescription {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Cow<'static, str>,
    /// A description for people.
    #[schema(value_type = String)]
    pub description: Cow<'static, str>,
    /// The way it is written in a line.
    pub usage: String,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// The people who may execute it.
    pub audience: Audience,
    /// `true` if each request must be signed anew.
    pub needs_signature: bool,
}

/// One argument of a command.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Argument {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Cow<'static, str>,
    /// The values that it takes.
    #[serde(rename = "type")]
    pub kind: ArgumentKind,
    /// `true` if it must be there.
    pub required: bool,
    /// Its meaning, in a few words.
    #[schema(value_type = String)]
    pub description: Cow<'static, str>,
}

/// The kind of value of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArgumentKind {
    /// A text.
    Text,
    /// A whole number, 0 or more.
    Count,
    /// A list of texts; in a line, separated by commas.
    List,
    /// The kind of the setting: a text, a number or a list of texts.
    Value,
}

/// The people who may execute a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Whoever is signed in, also a visitor.
    Visitor,
    /// Whoever has an identity.
    Member,
}

/// `POST /api/v1/commands/execute`: one command.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandCall {
    /// Its name.
    pub command: String,
    /// Its arguments, by name.
    #[serde(default)]
    pub arguments: Object,
}

/// The result of a command.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Outcome<D = Data> {
    /// The command.
    pub command: Cow<'static, str>,
    /// A sentence for people.
    pub message: String,
    /// The same for programs.
    pub data: D,
}

/// The result of a command, for programs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = CommandData)]
pub enum Data {
    /// `ping`, `export`
    Nothing,
    /// `help`
    Help(Vec<CommandDescription>),
    /// `identity`
    Identity(Registered),
    /// `identity.delete`
    Erased(Erased),
    /// `config.get`, `prompt.get`, `explain`
    Fields(Vec<ProfileField>),
    /// `config.set`, `config.unset`, `prompt.set`, `prompt.unset`
    Changed(FieldChanged),
    /// `time_zone.set`, `time_zone.unset`
    TimeZone(TimeZone),
    /// `history`: newest first.
    Messages(Vec<Message>),
    /// `models`
    Models(Vec<ChoosableModel>),
    /// `key.create`
    NewKey(NewKey),
    /// `key.list`
    Keys(Vec<ApiKey>),
    /// `session.list`
    Sessions(Vec<ListedSession>),
    /// `key.revoke`, `session.revoke`, `session.revoke_all`
    Revoked(Revoked),
}

/// The number of keys or sessions that were revoked.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct Revoked {
    /// Their number.
    pub revoked: u64,
}
