//! The command line, as people type it.

mod machine;
mod migrate;
mod remote;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use nexus_core::{Environment, Field, PromptName, PublicKey};
use nexus_store::Collection;
use secrecy::SecretString;
use serde::Deserialize;

use crate::failure::Failure;

pub(crate) use machine::{Admin, Audit, Doctor, Usage};
pub(crate) use migrate::{Migrate, Place};
pub(crate) use remote::{
    At, Execute, Export, Key, KeyCommand, Login, Remote, Session, SessionCommand,
};

/// Nexus gives every person their own assistant on top of any LLM.
#[derive(Debug, Parser)]
#[command(name = "nexus", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A flag is stronger than its environment variable, which is stronger than the `.env` file of the
/// working folder, which is stronger than the settings file.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The folder that everything is kept in [default: data]
    #[arg(long, global = true, value_name = "DIR", env = "NEXUS_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// A MongoDB database, such as `mongodb://host:27017` [default: one file in the data folder]
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        env = "MONGO_URI",
        hide_env_values = true
    )]
    pub(crate) database: Option<SecretString>,
    /// Whose template is used [default: development]
    #[arg(long, global = true, value_name = "NAME", env = "NEXUS_ENV", value_parser = environment())]
    pub(crate) environment: Option<Environment>,
    /// A file with settings; a flag or a variable is stronger [default: nexus.yml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "NEXUS_SETTINGS")]
    pub(crate) settings: Option<PathBuf>,
    /// Where people reach the server, such as `https://nexus.example.org`; several are separated by
    /// commas [default: this machine, if only this machine can reach it]
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        env = "NEXUS_PUBLIC_ORIGIN"
    )]
    pub(crate) public_origin: Option<String>,
    /// What is logged, such as `debug` or `nexus_run=debug`; the variable `LOG_LEVEL` names a level too
    /// [default: the template says]
    #[arg(long, global = true, value_name = "FILTER", env = "NEXUS_LOG")]
    pub(crate) log: Option<String>,
    /// How it is logged
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "NEXUS_LOG_FORMAT",
        value_enum
    )]
    pub(crate) log_format: Option<LogFormat>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print without colours; the variable `NO_COLOR` does the same
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// The options above that come from variables, by their names.
    #[arg(skip)]
    pub(crate) from_variables: Vec<String>,
}

impl Cli {
    /// Reads the command line, or says what is wrong with it and ends the program.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let is_variable = |name: &&str| {
            matches.value_source(name) == Some(clap::parser::ValueSource::EnvVariable)
        };
        let named = ["database", "data"].into_iter().filter(is_variable);
        cli.global.from_variables = named.map(str::to_owned).collect();
        cli
    }
}

/// The environment of this name, as the `.env` file writes it.
pub(crate) fn environment_named(name: &str) -> Result<Environment, Failure> {
    match name {
        "production" => Ok(Environment::Production),
        "development" => Ok(Environment::Development),
        _ => Err(Failure::new(format!(
            "NEXUS_ENV in .env is {name:?}: expected development or production"
        ))),
    }
}

fn environment() -> impl TypedValueParser<Value = Environment> {
    PossibleValuesParser::new(["development", "production"]).map(|name| match &*name {
        "production" => Environment::Production,
        _ => Environment::Development,
    })
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line, for programs
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the page and the API
    Serve(Serve),
    /// Chat in this terminal
    Chat {
        /// Who chats; needed when there are several identities
        #[arg(value_name = "KEY")]
        key: Option<PublicKey>,
    },
    /// Store the template in the data folder
    Init(Init),
    /// Look at the template, and change it
    #[command(subcommand)]
    Template(Template),
    /// Register, list and erase people; print tokens
    #[command(subcommand)]
    Identity(Identity),
    /// Read and change the settings of one person
    #[command(subcommand)]
    Config(Config),
    /// Read and change the prompts of one person
    #[command(subcommand)]
    Prompt(Prompt),
    /// List the models, what they cost, and whether they can be asked now
    Models,
    /// List the tools that models may call, and whether they can be reached now
    Tools,
    /// Check this installation, and tell what to fix: settings, data, template, keys, providers,
    /// tools, clock, people
    ///
    /// Each provider is asked for the list of its models, with its key, which costs nothing. Nothing
    /// is changed, and a server may run meanwhile. The exit code is 1 if something does not work.
    Doctor(Doctor),
    /// Name the administrators of this server
    #[command(subcommand)]
    Admin(Admin),
    /// Look at the record of changes, and check it
    #[command(subcommand)]
    Audit(Audit),
    /// Tell how much people used, and what it cost
    Usage(Usage),
    /// Sign in at a server with a key
    Login(Login),
    /// Sign out
    Logout(Remote),
    /// Tell who is signed in, and where
    Whoami(Remote),
    /// Execute a command at the server, such as `config.set temperature 0.3`
    #[command(name = "command")]
    Execute(Execute),
    /// Make, list and end API keys at the server
    Key(Key),
    /// List and end sessions at the server
    Session(Session),
    /// Save everything that the server stores about you
    Export(Export),
    /// Prepare a database of the original Python NEXUS, or move everything to another store
    ///
    /// Without --from and --to: prepares the MongoDB database that --database names. With them:
    /// copies a whole installation, and leaves the source as it is. Nothing is changed before you
    /// say --apply.
    Migrate(Migrate),
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Where to listen [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS", env = "NEXUS_LISTEN")]
    pub(crate) listen: Option<String>,
    /// How long a stop may take, in seconds: answers that are being written get three eighths of it to
    /// end by themselves, then the part that came is stored [default: 8]
    #[arg(long, value_name = "SECONDS", env = "NEXUS_STOP_TIMEOUT", value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) stop_timeout: Option<u16>,
}

#[derive(Args, Debug, Default)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Replace the stored template even when somebody has edited it; the old version is kept
    #[arg(long)]
    pub(crate) force: bool,
    /// The model of people who choose none [default: the first that can be reached]
    #[arg(long, value_name = "NAME")]
    pub(crate) default_model: Option<String>,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Source {
    /// A template to use in place of the one that comes with the program (config.example.yml)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A folder with prompts to use in place of those that come with the program
    #[arg(long, value_name = "DIR")]
    pub(crate) prompts: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Template {
    /// Print the stored template; keys are never printed
    Show(At),
    /// Look for mistakes in a file (YAML or JSON) without storing it
    Check {
        /// The file
        file: PathBuf,
        /// The folder of the prompts that it names
        #[arg(long, value_name = "DIR")]
        prompts: Option<PathBuf>,
    },
    /// List every version that was stored
    History(At),
    /// Show how two versions differ [default: the current one and the one before it]
    Diff {
        /// The older version
        #[arg(value_name = "A", value_parser = clap::value_parser!(u64).range(1..))]
        old: Option<u64>,
        /// The newer version [default: the current one]
        #[arg(value_name = "B", value_parser = clap::value_parser!(u64).range(1..))]
        new: Option<u64>,
        #[command(flatten)]
        at: At,
    },
    /// Store a file (YAML or JSON) as a new version; the plan is shown first
    Apply {
        /// The file
        file: PathBuf,
        /// The folder of the prompts that it names
        #[arg(long, value_name = "DIR")]
        prompts: Option<PathBuf>,
        #[command(flatten)]
        change: Change,
    },
    /// Store an old version once more, as a new one; the plan is shown first
    Rollback {
        /// The old version
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        version: u64,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Change {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show the plan, and store nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// With --dry-run: end with 3 if something would change
    #[arg(long, requires = "dry_run")]
    pub(crate) exit_code: bool,
    /// Who changes it [default: the name of the user]; at a server it is whoever is signed in
    #[arg(long, value_name = "NAME", value_parser = author, conflicts_with = "server")]
    pub(crate) author: Option<String>,
    #[command(flatten)]
    pub(crate) at: At,
}

/// A name that fits into a line.
fn author(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err("expected a name of at most 100 characters".to_owned());
    }
    Ok(name.to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// Register a person, and print a token
    New {
        /// An address that exists already; without it, a new key is made
        key: Option<PublicKey>,
        #[command(flatten)]
        life: TokenLife,
    },
    /// List everybody who is registered
    List(At),
    /// Show one person
    Show {
        /// The address
        key: PublicKey,
    },
    /// Print, set or unset the time zone of a person, for what tells them the time
    TimeZone {
        /// The address
        key: PublicKey,
        /// A name of the IANA time zone database, such as Europe/Berlin
        zone: Option<String>,
        /// Go back to UTC
        #[arg(long, conflicts_with = "zone")]
        unset: bool,
    },
    /// Erase a person with everything that is theirs
    Delete {
        /// The address
        key: PublicKey,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        at: At,
    },
    /// List and delete documents that cannot be read; each of them hides only itself
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Let somebody in who registered and waits
    Approve(Person),
    /// Lock somebody out; nothing of theirs is lost
    Disable(Person),
    /// Let somebody in again who was locked out
    Enable(Person),
    /// Register your own key at the server where you are signed in
    Register(Remote),
    /// Erase yourself at the server where you are signed in, with everything that is yours
    Forget {
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Print a new token for a key, registered or not
    Token {
        /// The address
        key: PublicKey,
        /// Let whoever has it change the template of this server, and decide who is let in
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        life: TokenLife,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List every document that cannot be read, and why
    List(At),
    /// Delete one of them; an identity with everything that belongs to it
    Delete {
        /// Its id, as `list` shows it
        id: String,
        /// Where it is: identities, messages, sessions, `api_keys` or usage
        #[arg(long, value_name = "NAME", default_value = "identities")]
        collection: Collection,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        at: At,
    },
}

/// Who is let in, and where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Person {
    /// The address
    pub(crate) key: PublicKey,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct TokenLife {
    /// How many days the token is valid
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(crate) days: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print what is in force: model, temperature, `max_tokens`, `history_context_size`, tools
    Get {
        /// The address
        key: PublicKey,
        /// One setting only
        field: Option<Field>,
    },
    /// Change a setting
    Set {
        /// The address
        key: PublicKey,
        /// The setting
        field: Field,
        /// The new value; names of tools with a comma between them
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Go back to the default
    Unset {
        /// The address
        key: PublicKey,
        /// The setting, or a stored key that names none, as `explain` warns of it
        field: String,
    },
    /// Tell where each value comes from
    Explain {
        /// The address
        key: PublicKey,
        /// One setting only, or a prompt such as `prompts.persona`
        field: Option<Field>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Prompt {
    /// Print the prompts in force
    Get {
        /// The address
        key: PublicKey,
        /// One prompt only, such as persona
        name: Option<PromptName>,
    },
    /// Change a prompt; an empty text removes it
    Set {
        /// The address
        key: PublicKey,
        /// The prompt, such as persona
        name: PromptName,
        /// The new text; `-` reads standard input
        #[arg(required_unless_present = "file", allow_hyphen_values = true)]
        text: Option<String>,
        /// A file with the new text
        #[arg(long, value_name = "FILE", conflicts_with = "text")]
        file: Option<PathBuf>,
    },
    /// Go back to the default
    Unset {
        /// The address
        key: PublicKey,
        /// The prompt, such as persona, or a stored key that names none
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
