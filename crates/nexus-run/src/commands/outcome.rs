//! What a command answers: a sentence for people, and data for programs.

use nexus_api::auth::ListedSession;
use nexus_api::command::{Argument, CommandDescription, Data, Outcome};
use nexus_api::identity::{Registered, Standing};
use nexus_core::command::Argument as Specified;
use nexus_core::{CommandName, Genesis, Session, SessionId};

pub(super) fn listed(session: Session, current: Option<SessionId>) -> ListedSession {
    ListedSession {
        current: current == Some(session.id()),
        session: session.into(),
    }
}

pub(super) fn outcome(command: CommandName, data: Data) -> Outcome {
    Outcome {
        command: command.as_str().into(),
        message: message(command, &data),
        data,
    }
}

fn message(command: CommandName, data: &Data) -> String {
    match data {
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
        Data::TimeZone(zone) => match &zone.time_zone {
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
        Data::Revoked(it) if command == CommandName::KeyRevoke => {
            count(it.revoked, "API key ended", "API keys ended")
        }
        Data::Revoked(it) => count(it.revoked, "session ended", "sessions ended"),
        Data::Nothing if command == CommandName::Ping => "pong".to_owned(),
        Data::Nothing => "GET /api/v1/export gives everything that is stored about you.".to_owned(),
    }
}

fn identity_message(view: &Registered) -> String {
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
pub fn describe(genesis: &Genesis, about: Option<CommandName>) -> Vec<CommandDescription> {
    let all = CommandName::ALL.iter().copied();
    all.filter(|name| about.is_none_or(|about| about == *name))
        .map(|name| {
            let spec = name.spec();
            CommandDescription {
                name: name.as_str().into(),
                description: spec.description.into(),
                usage: spec.usage(),
                arguments: spec.arguments.iter().map(argument).collect(),
                audience: spec.audience,
                needs_signature: genesis.needs_signature(name),
            }
        })
        .collect()
}

fn argument(argument: &Specified) -> Argument {
    Argument {
        name: argument.name.into(),
        kind: argument.kind,
        required: argument.required,
        description: argument.description.into(),
    }
}
