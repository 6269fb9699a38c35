//! From a name and a JSON object of arguments to a [`Command`].

use serde_json::{Map, Value};

use super::{Argument, ArgumentKind, Command, CommandName, NewApiKey};
use crate::overrides::{Section, whole};
use crate::text::{self, MAX_PROMPT_BYTES};
use crate::{ApiScope, Field, Label};

/// Why something is not a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No command goes by this name.
    #[error("there is no command {found:?}: help lists them")]
    UnknownCommand {
        /// What was given.
        found: String,
    },
    /// The command has no such argument.
    #[error("{command} has no argument {found:?}: write {usage}")]
    UnknownArgument {
        /// The command.
        command: CommandName,
        /// What was given.
        found: String,
        /// How the command is written.
        usage: String,
    },
    /// An argument is missing.
    #[error("{command} needs {argument}, {description}: write {usage}")]
    MissingArgument {
        /// The command.
        command: CommandName,
        /// The argument.
        argument: &'static str,
        /// What it means.
        description: &'static str,
        /// How the command is written.
        usage: String,
    },
    /// An argument is not what it must be.
    #[error("{argument} of {command} must be {expected}")]
    WrongArgument {
        /// The command.
        command: CommandName,
        /// The argument.
        argument: &'static str,
        /// What it must be.
        expected: String,
    },
}

impl CommandError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownCommand { .. } => "unknown_command",
            Self::UnknownArgument { .. } => "unknown_field",
            Self::MissingArgument { .. } => "missing_field",
            Self::WrongArgument { .. } => "wrong_type",
        }
    }

    /// The argument that is wrong, when one is.
    #[must_use]
    pub fn argument(&self) -> Option<&str> {
        match self {
            Self::UnknownCommand { .. } => None,
            Self::UnknownArgument { found, .. } => Some(found),
            Self::MissingArgument { argument, .. } | Self::WrongArgument { argument, .. } => {
                Some(argument)
            }
        }
    }
}

impl Command {
    /// Reads the arguments of the command `name`.
    ///
    /// # Errors
    /// When one is missing, unknown or of the wrong type.
    pub fn read(name: CommandName, arguments: &Map<String, Value>) -> Result<Self, CommandError> {
        let given = Given::check(name, arguments)?;
        Ok(match name {
            CommandName::Ping => Self::Ping,
            CommandName::Help => Self::Help {
                about: given.parsed("command", "the name of a command: help lists them")?,
            },
            CommandName::Identity => Self::Identity,
            CommandName::IdentityDelete => Self::IdentityDelete,
            CommandName::ConfigGet => Self::ConfigGet {
                field: given.config_field()?,
            },
            CommandName::ConfigSet => Self::ConfigSet {
                field: given.required(given.config_field()?, "field")?,
                value: given.required(given.value("value").cloned(), "value")?,
            },
            CommandName::ConfigUnset => given.config_unset()?,
            CommandName::PromptGet => Self::PromptGet {
                name: given.parsed("name", PROMPT)?,
            },
            CommandName::PromptSet => Self::PromptSet {
                name: given.required(given.parsed("name", PROMPT)?, "name")?,
                content: given.required(given.text("content"), "content")?.to_owned(),
            },
            CommandName::PromptUnset => {
                let name = given.required(given.text("name"), "name")?;
                match name.parse() {
                    Ok(name) => Self::PromptUnset { name },
                    Err(_) => unknown(Section::Prompts, name),
                }
            }
            CommandName::TimeZoneSet => Self::TimeZoneSet {
                zone: given.required(given.parsed("value", ZONE)?, "value")?,
            },
            CommandName::TimeZoneUnset => Self::TimeZoneUnset,
            CommandName::History => Self::History {
                limit: given.count("limit", 1, 100)?,
            },
            CommandName::Models => Self::Models,
            CommandName::Explain => Self::Explain {
                field: given.parsed("field", "a setting, or prompts.NAME")?,
            },
            CommandName::KeyCreate => Self::KeyCreate(given.new_api_key()?),
            CommandName::KeyList => Self::KeyList,
            CommandName::KeyRevoke => Self::KeyRevoke {
                id: given.required(
                    given.parsed("id", "the id of an API key, as key.list shows it")?,
                    "id",
                )?,
            },
            CommandName::SessionList => Self::SessionList,
            CommandName::SessionRevoke => Self::SessionRevoke {
                id: given.required(
                    given.parsed("id", "the id of a session, as session.list shows it")?,
                    "id",
                )?,
            },
            CommandName::SessionRevokeAll => Self::SessionRevokeAll,
            CommandName::Export => Self::Export,
        })
    }
}

const CONFIG_FIELD: &str = "model, temperature, max_tokens, history_context_size or tools";
const NAME: &str = "one line of 1 to 200 characters";
const SCOPES: &str = "a list of chat, models.read, history.read and profile.read";
const ZONE: &str = "a name of the IANA time zone database, such as Europe/Berlin";
const PROMPT: &str = "the name of a prompt: lower-case letters, digits, _ and -";

/// Arguments that the command has, each of the kind that it is described as.
struct Given<'a> {
    command: CommandName,
    arguments: &'a Map<String, Value>,
}

impl<'a> Given<'a> {
    fn check(
        command: CommandName,
        arguments: &'a Map<String, Value>,
    ) -> Result<Self, CommandError> {
        let spec = command.spec();
        let known = |name: &str| spec.arguments.iter().find(|known| known.name == name);
        for (name, value) in arguments {
            match known(name) {
                None => {
                    return Err(CommandError::UnknownArgument {
                        command,
                        found: name.chars().take(80).collect(),
                        usage: spec.usage(),
                    });
                }
                Some(argument) => check_kind(command, argument, value)?,
            }
        }
        Ok(Self { command, arguments })
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.arguments.get(name)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.value(name).and_then(Value::as_str)
    }

    fn texts(&self, name: &str) -> Option<Vec<&'a str>> {
        let items = self.value(name)?.as_array()?;
        Some(items.iter().filter_map(Value::as_str).collect())
    }

    fn required<T>(&self, value: Option<T>, argument: &'static str) -> Result<T, CommandError> {
        value.ok_or_else(|| {
            let spec = self.command.spec();
            let described = spec.arguments.iter().find(|known| known.name == argument);
            CommandError::MissingArgument {
                command: self.command,
                argument,
                description: described.map_or("", |known| known.description),
                usage: spec.usage(),
            }
        })
    }

    fn wrong(&self, argument: &'static str, expected: impl Into<String>) -> CommandError {
        CommandError::WrongArgument {
            command: self.command,
            argument,
            expected: expected.into(),
        }
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<T>, CommandError> {
        let parse = |text: &str| text.parse().map_err(|_| self.wrong(name, expected));
        self.text(name).map(parse).transpose()
    }

    fn config_field(&self) -> Result<Option<crate::ConfigField>, CommandError> {
        match self.parsed("field", CONFIG_FIELD)? {
            Some(Field::Prompt(_)) => Err(self.wrong("field", CONFIG_FIELD)),
            Some(Field::Config(field)) => Ok(Some(field)),
            None => Ok(None),
        }
    }

    /// A key that names no field may still be stored: whether it is, is for the execution to say.
    fn config_unset(&self) -> Result<Command, CommandError> {
        let name = self.required(self.text("field"), "field")?;
        Ok(match name.parse() {
            Ok(Field::Config(field)) => Command::ConfigUnset { field },
            Ok(Field::Prompt(_)) => return Err(self.wrong("field", CONFIG_FIELD)),
            Err(_) => unknown(
                Section::Config,
                name.strip_prefix("config.").unwrap_or(name),
            ),
        })
    }

    fn count(
        &self,
        name: &'static str,
        least: u32,
        most: u32,
    ) -> Result<Option<u32>, CommandError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let count = whole(value).filter(|count| (least..=most).contains(count));
        let expected = || format!("a whole number from {least} to {most}");
        count.map(Some).ok_or_else(|| self.wrong(name, expected()))
    }

    fn new_api_key(&self) -> Result<NewApiKey, CommandError> {
        let name = self.required(self.text("name"), "name")?.trim();
        let name = Label::try_from(name.to_owned())
            .ok()
            .filter(|name| !name.as_str().is_empty())
            .ok_or_else(|| self.wrong("name", NAME))?;
        let scopes = match self.texts("scopes") {
            None => Some(NewApiKey::default_scopes()),
            Some(texts) => texts.into_iter().map(ApiScope::parse).collect(),
        };
        let models = self.texts("models");
        if models.as_ref().is_some_and(Vec::is_empty) {
            return Err(self.wrong("models", "a list of at least one model"));
        }
        let days = self.count("days", 1, NewApiKey::MAX_DAYS)?;
        Ok(NewApiKey {
            name,
            scopes: scopes.ok_or_else(|| self.wrong("scopes", SCOPES))?,
            models: models.map(|names| names.into_iter().map(str::to_owned).collect()),
            days: days.unwrap_or(NewApiKey::DEFAULT_DAYS),
        })
    }
}

fn unknown(section: Section, name: &str) -> Command {
    let name = name.to_owned();
    Command::UnsetUnknown { section, name }
}

fn check_kind(
    command: CommandName,
    argument: &Argument,
    value: &Value,
) -> Result<(), CommandError> {
    let is_text = |value: &Value| {
        let text = value.as_str();
        text.is_some_and(|text| text::check(text, MAX_PROMPT_BYTES).is_ok())
    };
    let is_list = |value: &Value| {
        let items = value.as_array();
        items.is_some_and(|items| items.len() <= 100 && items.iter().all(is_text))
    };
    let (fits, expected) = match argument.kind {
        ArgumentKind::Text => (
            is_text(value),
            "a text of at most 32 KiB without control or hidden characters",
        ),
        ArgumentKind::Count => (whole(value).is_some(), "a whole number, 0 or more"),
        ArgumentKind::List => (is_list(value), "a list of at most 100 texts"),
        ArgumentKind::Value => (
            is_text(value) || value.is_number() || is_list(value),
            "a text, a number or a list of at most 100 texts",
        ),
    };
    if fits {
        return Ok(());
    }
    Err(CommandError::WrongArgument {
        command,
        argument: argument.name,
        expected: expected.to_owned(),
    })
}
