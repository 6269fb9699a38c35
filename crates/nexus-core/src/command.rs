//! Commands: what a person can tell Nexus to do, beside chatting. The set is closed, each name has
//! one description, and that description is what arguments are read by.

mod line;
mod read;
mod specs;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::overrides::Section;
use crate::{ApiKeyId, ApiScope, ApiScopes, ConfigField, Field, Label, PromptName, SessionId};

pub use nexus_api::command::{ArgumentKind, Audience};

pub use line::{read_line, split_line};
pub use read::CommandError;

/// A command with its arguments, checked for type. Whether policy admits what it asks for is
/// decided when it is executed.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Answers `pong`.
    Ping,
    /// Describes the commands, or one of them.
    Help {
        /// `None`: all of them.
        about: Option<CommandName>,
    },
    /// Registers the key, or finds that it is registered.
    Identity,
    /// Erases the identity and everything that belongs to it.
    IdentityDelete,
    /// Tells the settings in force.
    ConfigGet {
        /// `None`: all of them.
        field: Option<ConfigField>,
    },
    /// Sets one setting.
    ConfigSet {
        /// Which.
        field: ConfigField,
        /// Its new value.
        value: Value,
    },
    /// Goes back to the default of one setting.
    ConfigUnset {
        /// Which.
        field: ConfigField,
    },
    /// Tells the prompts in force.
    PromptGet {
        /// `None`: all of them.
        name: Option<PromptName>,
    },
    /// Sets one prompt.
    PromptSet {
        /// Which.
        name: PromptName,
        /// Its new text. Empty: the block is left out.
        content: String,
    },
    /// Goes back to the default of one prompt.
    PromptUnset {
        /// Which.
        name: PromptName,
    },
    /// Removes a stored key that names no field: `config.unset` or `prompt.unset`.
    UnsetUnknown {
        /// The map that it is in.
        section: Section,
        /// Its name.
        name: String,
    },
    /// Sets the time zone.
    TimeZoneSet {
        /// The new one.
        zone: Tz,
    },
    /// Goes back to UTC.
    TimeZoneUnset,
    /// Tells what was said, newest first.
    History {
        /// How many messages at most. `None`: 20.
        limit: Option<u32>,
    },
    /// Lists the models that may be chosen.
    Models,
    /// Tells where each value in force comes from.
    Explain {
        /// `None`: all of them.
        field: Option<Field>,
    },
    /// Makes an API key.
    KeyCreate(NewApiKey),
    /// Lists the API keys, without their secrets.
    KeyList,
    /// Ends an API key.
    KeyRevoke {
        /// Which.
        id: ApiKeyId,
    },
    /// Lists who is signed in.
    SessionList,
    /// Ends one session.
    SessionRevoke {
        /// Which.
        id: SessionId,
    },
    /// Ends every session of this key, this one too.
    SessionRevokeAll,
    /// Gives everything that is stored about this key.
    Export,
}

/// What an API key is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// What it is for, in the person's words.
    pub name: Label,
    /// What it may do.
    pub scopes: ApiScopes,
    /// The models that it may ask, by catalog name. `None`: every model that its owner may choose.
    pub models: Option<BTreeSet<String>>,
    /// How long it lives, in days: from 1 to 365.
    pub days: u32,
}

impl NewApiKey {
    /// How long a key lives when nobody says, in days.
    pub const DEFAULT_DAYS: u32 = 90;
    /// The longest life, in days.
    pub const MAX_DAYS: u32 = 365;

    /// What a key may do when nobody says.
    #[must_use]
    pub fn default_scopes() -> ApiScopes {
        [ApiScope::Chat, ApiScope::ModelsRead].into_iter().collect()
    }
}

/// What a command is, for people and programs.
#[derive(Debug)]
pub struct Spec {
    /// Its name.
    pub name: CommandName,
    /// What it does, in one sentence.
    pub description: &'static str,
    /// Its arguments, in the order in which a line gives them.
    pub arguments: &'static [Argument],
    /// Who may execute it.
    pub audience: Audience,
    /// Whether it is in the built-in list of commands that need a fresh signature. A template can
    /// add to that list and never shorten it.
    pub is_sovereign: bool,
}

/// One argument of a command.
#[derive(Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it can be.
    pub kind: ArgumentKind,
    /// Whether it must be there.
    pub required: bool,
    /// What it means, in a few words.
    pub description: &'static str,
}

impl Spec {
    /// How the command is written in a line: `config.set FIELD VALUE`.
    #[must_use]
    pub fn usage(&self) -> String {
        let mut usage = self.name.to_string();
        for argument in self.arguments {
            let name = argument.name.to_uppercase();
            // Writing to a string does not fail.
            _ = if argument.required {
                write!(usage, " {name}")
            } else {
                write!(usage, " [{name}]")
            };
        }
        usage
    }
}

macro_rules! names {
    ($($variant:ident $name:literal),+ $(,)?) => {
        /// The name of a command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum CommandName {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl CommandName {
            /// All of them, in the order in which people read them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

names! {
    Ping "ping",
    Help "help",
    Identity "identity",
    IdentityDelete "identity.delete",
    ConfigGet "config.get",
    ConfigSet "config.set",
    ConfigUnset "config.unset",
    PromptGet "prompt.get",
    PromptSet "prompt.set",
    PromptUnset "prompt.unset",
    TimeZoneSet "time_zone.set",
    TimeZoneUnset "time_zone.unset",
    History "history",
    Models "models",
    Explain "explain",
    KeyCreate "key.create",
    KeyList "key.list",
    KeyRevoke "key.revoke",
    SessionList "session.list",
    SessionRevoke "session.revoke",
    SessionRevokeAll "session.revoke_all",
    Export "export",
}

impl CommandName {
    /// What the command is.
    #[must_use]
    pub const fn spec(self) -> &'static Spec {
        &specs::SPECS[self as usize]
    }
}

impl Command {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> CommandName {
        match self {
            Self::Ping => CommandName::Ping,
            Self::Help { .. } => CommandName::Help,
            Self::Identity => CommandName::Identity,
            Self::IdentityDelete => CommandName::IdentityDelete,
            Self::ConfigGet { .. } => CommandName::ConfigGet,
            Self::ConfigSet { .. } => CommandName::ConfigSet,
            Self::ConfigUnset { .. }
            | Self::UnsetUnknown {
                section: Section::Config,
                ..
            } => CommandName::ConfigUnset,
            Self::PromptGet { .. } => CommandName::PromptGet,
            Self::PromptSet { .. } => CommandName::PromptSet,
            Self::PromptUnset { .. }
            | Self::UnsetUnknown {
                section: Section::Prompts,
                ..
            } => CommandName::PromptUnset,
            Self::TimeZoneSet { .. } => CommandName::TimeZoneSet,
            Self::TimeZoneUnset => CommandName::TimeZoneUnset,
            Self::History { .. } => CommandName::History,
            Self::Models => CommandName::Models,
            Self::Explain { .. } => CommandName::Explain,
            Self::KeyCreate(_) => CommandName::KeyCreate,
            Self::KeyList => CommandName::KeyList,
            Self::KeyRevoke { .. } => CommandName::KeyRevoke,
            Self::SessionList => CommandName::SessionList,
            Self::SessionRevoke { .. } => CommandName::SessionRevoke,
            Self::SessionRevokeAll => CommandName::SessionRevokeAll,
            Self::Export => CommandName::Export,
        }
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CommandName {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let found = Self::ALL.iter().find(|name| name.as_str() == text);
        found.copied().ok_or_else(|| CommandError::UnknownCommand {
            found: text.chars().take(80).collect(),
        })
    }
}

impl Serialize for CommandName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for CommandName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(name: &str, arguments: &Value) -> Result<Command, CommandError> {
        Command::read(name.parse()?, arguments.as_object().unwrap())
    }

    #[test]
    fn a_command_needs_no_more_and_takes_no_more_than_it_describes() {
        for name in CommandName::ALL {
            let spec = name.spec();
            let mut arguments = serde_json::Map::new();
            for argument in spec.arguments {
                let example = match (argument.kind, argument.name, *name) {
                    (_, "id", CommandName::KeyRevoke) => json!("AAAAAAAAAAAA"),
                    (_, "id", _) => json!(format!("ses_{}", "0".repeat(32))),
                    (_, "command", _) => json!("ping"),
                    (_, _, CommandName::TimeZoneSet) => json!("Europe/Berlin"),
                    (_, "scopes", _) => json!(["chat"]),
                    (ArgumentKind::List, ..) => json!(["echo"]),
                    (ArgumentKind::Count, ..) => json!(3),
                    (ArgumentKind::Value, ..) => json!(0.5),
                    (_, "field", _) => json!("temperature"),
                    (ArgumentKind::Text, ..) => json!("persona"),
                };
                arguments.insert(argument.name.to_owned(), example);
            }
            assert_eq!(Command::read(*name, &arguments).unwrap().name(), *name);
            for argument in spec.arguments {
                let mut fewer = arguments.clone();
                fewer.remove(argument.name);
                let missing = Command::read(*name, &fewer);
                assert_eq!(missing.is_err(), argument.required, "{name} {argument:?}");
            }
            arguments.insert("__proto__".to_owned(), json!({}));
            let error = Command::read(*name, &arguments).unwrap_err();
            assert_eq!(error.code(), "unknown_field");
        }
    }

    #[test]
    fn every_name_has_its_own_description() {
        for name in CommandName::ALL {
            assert_eq!(name.spec().name, *name);
            assert_eq!(name.as_str().parse(), Ok(*name));
        }
    }

    #[test]
    fn a_line_and_an_object_say_the_same() {
        for (line, name, arguments) in [
            ("/ping", "ping", json!({})),
            (
                "config.set temperature 0.3",
                "config.set",
                json!({"field": "temperature", "value": 0.3}),
            ),
            (
                "config.set config.model 4",
                "config.set",
                json!({"field": "config.model", "value": "4"}),
            ),
            (
                "config.set tools current_time, files.read",
                "config.set",
                json!({"field": "tools", "value": ["current_time", "files.read"]}),
            ),
            (
                "config.set config.tools ,",
                "config.set",
                json!({"field": "config.tools", "value": []}),
            ),
            (
                "prompt.set persona  You are  a pirate. ",
                "prompt.set",
                json!({"name": "persona", "content": "You are  a pirate."}),
            ),
            (
                "key.create laptop chat,models.read",
                "key.create",
                json!({"name": "laptop", "scopes": ["chat", "models.read"]}),
            ),
        ] {
            let line = line.strip_prefix('/').unwrap_or(line);
            assert_eq!(Command::from_line(line), read(name, &arguments), "{line}");
        }
    }

    #[test]
    fn a_value_is_a_text_a_number_or_a_list_of_texts() {
        for (value, fits) in [
            (json!("files"), true),
            (json!(0.5), true),
            (json!(["current_time", "files"]), true),
            (json!([]), true),
            (json!(["files", 1]), false),
            (json!(vec!["files"; 101]), false),
            (json!(true), false),
            (json!(null), false),
            (json!({"files": true}), false),
        ] {
            let arguments = json!({"field": "tools", "value": value});
            assert_eq!(read("config.set", &arguments).is_ok(), fits, "{value}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        let wrong = |line| {
            let error: CommandError = Command::from_line(line).unwrap_err();
            (error.code(), error.to_string())
        };
        assert_eq!(wrong("dance").0, "unknown_command");
        assert_eq!(
            wrong("config.set temperature"),
            (
                "missing_field",
                "config.set needs value, the new value; for tools a list, such as current_time,files: \
                 write config.set FIELD VALUE"
                    .to_owned()
            )
        );
        assert_eq!(wrong("ping pong").0, "unknown_field");
        assert_eq!(
            wrong("key.create laptop dance").1,
            "scopes of key.create must be a list of chat, models.read, history.read and profile.read"
        );
        assert_eq!(wrong("history 1000").0, "wrong_type");
        assert_eq!(
            wrong("time_zone.set Berlin").1,
            "value of time_zone.set must be a name of the IANA time zone database, such as Europe/Berlin"
        );
        assert_eq!(wrong("config.get prompts.persona").0, "wrong_type");
    }

    #[test]
    fn what_changes_who_you_are_or_what_you_set_needs_a_signature() {
        let sovereign = CommandName::ALL
            .iter()
            .filter(|name| name.spec().is_sovereign)
            .map(|name| name.as_str());
        assert_eq!(
            sovereign.collect::<Vec<_>>(),
            [
                "identity",
                "identity.delete",
                "config.set",
                "config.unset",
                "prompt.set",
                "prompt.unset",
                "time_zone.set",
                "time_zone.unset",
                "key.create",
                "key.revoke",
                "session.revoke_all",
            ]
        );
    }
}
