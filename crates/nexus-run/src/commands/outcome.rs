//! What a command answers: a sentence for people, and data for programs.

use std::sync::Arc;

use nexus_core::command::{Argument, Audience};
use nexus_core::profile::Explanation;
use nexus_core::{
    ApiKey, CommandName, Genesis, Message, PublicKey, Session, SessionId, Standing, Token,
};
use nexus_store::Erased;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// What came of a command.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The command.
    pub command: CommandName,
    /// What happened, for people.
    pub message: String,
    /// What happened, for programs.
    pub data: Data,
}

/// What a command answers, for programs.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// `ping`
    Pong,
    /// `help`
    Help(Vec<Described>),
    /// `identity`
    Identity(IdentityView),
    /// `identity.delete`
    Erased(Erased),
    /// `config.get`, `prompt.get`, `explain`
    Fields(Vec<Explanation>),
    /// `config.set`, `config.unset`, `prompt.set`, `prompt.unset`
    Changed(Changed),
    /// `time_zone.set`, `time_zone.unset`
    TimeZone {
        /// The time zone of the person. `None`: UTC.
        time_zone: Option<&'static str>,
    },
    /// `history`: newest first.
    Messages(Vec<Message>),
    /// `models`
    Models(Vec<ModelView>),
    /// `key.create`
    NewKey(NewKey),
    /// `key.list`
    Keys(Vec<ApiKey>),
    /// `session.list`
    Sessions(Vec<SessionView>),
    /// `key.revoke`, `session.revoke`, `session.revoke_all`: how many.
    Revoked {
        /// How many were ended.
        revoked: u64,
    },
    /// `export`: where to get it.
    Export,
}

/// A command, described for a person on this server.
#[derive(Debug, Serialize)]
pub struct Described {
    /// Its name.
    pub name: CommandName,
    /// What it does.
    pub description: &'static str,
    /// How it is written in a line.
    pub usage: String,
    /// Its arguments.
    pub arguments: &'static [Argument],
    /// Who may execute it.
    pub audience: Audience,
    /// Whether each request must be signed anew.
    pub needs_signature: bool,
}

/// What became of a registration.
#[derive(Debug, Serialize)]
pub struct IdentityView {
    /// The key.
    pub public_key: PublicKey,
    /// Whether this command registered it.
    pub created: bool,
    /// Whether the person is let in.
    pub standing: Standing,
}

/// A field after a change.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// The field, or the stored key that named none.
    pub field: String,
    /// What is in force now. `None`: the template has no such field any more.
    pub now: Option<Explanation>,
}

/// A model that may be chosen.
#[derive(Debug, Serialize)]
pub struct ModelView {
    /// Its name in the catalog.
    pub name: Arc<str>,
    /// Other names.
    pub aliases: Vec<Arc<str>>,
    /// Who serves it.
    pub provider: Arc<str>,
    /// Why it cannot be asked, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// A key, with the secret that is shown this once.
#[derive(Debug)]
pub struct NewKey {
    /// What is kept of it.
    pub key: ApiKey,
    /// What its owner gives to the program.
    pub token: Token,
}

impl Serialize for NewKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("NewKey", 2)?;
        shown.serialize_field("token", self.token.reveal())?;
        shown.serialize_field("key", &self.key)?;
        shown.end()
    }
}

/// A session in a list.
#[derive(Debug, Serialize)]
pub struct SessionView {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// Whether the command came with it.
    pub current: bool,
}

impl SessionView {
    pub(super) fn new(session: Session, current: Option<SessionId>) -> Self {
        Self {
            current: current == Some(session.id()),
            session,
        }
    }
}

impl Outcome {
    pub(super) fn new(command: CommandName, data: Data) -> Self {
        Self {
            command,
            message: message(command, &data),
            data,
        }
    }
}

fn message(command: CommandName, data: &Data) -> String {
    match data {
        Data::Pong => "pong".to_owned(),
        Data::Help(commands) => match &**commands {
            [only] => format!("{}: {}", only.usage, only.description),
            all => format!("{} commands", all.len()),
        },
        Data::Identity(view) => identity_message(view),
        Data::Erased(erased) => format!(
            "Erased: your identity, {} messages, {} sessions, {} API keys.{}",
            erased.messages,
            erased.sessions,
            erased.api_keys,
            if erased.stays_disabled {
                " Your address is kept and stays disabled."
            } else {
                ""
            }
        ),
        Data::Fields(fields) => count(fields.len(), "value", "values"),
        Data::Changed(changed) => match &changed.now {
            Some(now) => format!("{} is set by {} now.", changed.field, now.layer.as_str()),
            None => format!("{} is removed.", changed.field),
        },
        Data::TimeZone { time_zone } => match time_zone {
            Some(zone) => format!("Your time zone is {zone} now."),
            None => "You have no time zone now: times are told in UTC.".to_owned(),
        },
        Data::Messages(messages) => count(messages.len(), "message", "messages"),
        Data::Models(models) => count(models.len(), "model", "models"),
        Data::NewKey(new) => format!(
            "Made the API key {}. It is shown this once: copy it now.",
            new.key.name
        ),
        Data::Keys(keys) => count(keys.len(), "API key", "API keys"),
        Data::Sessions(sessions) => count(sessions.len(), "session", "sessions"),
        Data::Revoked { revoked } if command == CommandName::KeyRevoke => {
            count(*revoked, "API key ended", "API keys ended")
        }
        Data::Revoked { revoked } => count(*revoked, "session ended", "sessions ended"),
        Data::Export => "GET /api/v1/export gives everything that is stored about you.".to_owned(),
    }
}

fn identity_message(view: &IdentityView) -> String {
    let standing = match view.standing {
        Standing::Active => "You are let in.",
        Standing::Pending => "An administrator of this server decides whether you are let in.",
        Standing::Disabled => "An administrator of this server has disabled it.",
    };
    let what = if view.created {
        "Your key is registered now."
    } else {
        "Your key was registered before."
    };
    format!("{what} {standing}")
}

fn count(number: impl TryInto<u64>, one: &str, many: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

/// The commands, or one of them, as they are on this server.
#[must_use]
pub fn describe(genesis: &Genesis, about: Option<CommandName>) -> Vec<Described> {
    let all = CommandName::ALL.iter().copied();
    all.filter(|name| about.is_none_or(|about| about == *name))
        .map(|name| {
            let spec = name.spec();
            Described {
                name,
                description: spec.description,
                usage: spec.usage(),
                arguments: spec.arguments,
                audience: spec.audience,
                needs_signature: genesis.needs_signature(name),
            }
        })
        .collect()
}
