//! The command line of those commands that speak to a server.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::keys::Passphrases;

const DEFAULT_PROFILE: &str = "default";

/// Who speaks to which server.
#[derive(Args, Clone, Debug)]
pub(crate) struct Remote {
    /// Under which name `nexus login` remembers
    #[arg(long, global = true, value_name = "NAME", default_value = DEFAULT_PROFILE)]
    pub(crate) profile: String,
    /// A file with the passphrase of your key [default: the variable `NEXUS_PASSPHRASE`, or you are
    /// asked]
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Remote {
    pub(crate) fn passphrases(&self) -> Passphrases {
        Passphrases {
            file: self.passphrase_file.clone(),
        }
    }
}

/// The database of this machine, or a server.
#[derive(Args, Clone, Debug)]
pub(crate) struct At {
    /// At the server where you are signed in as an administrator, in place of this machine
    #[arg(long)]
    server: bool,
    /// Under which name `nexus login` remembers [default: default]
    #[arg(long, value_name = "NAME", requires = "server")]
    profile: Option<String>,
    /// A file with the passphrase of your key [default: the variable `NEXUS_PASSPHRASE`, or you are
    /// asked]
    #[arg(long, value_name = "FILE", requires = "server")]
    passphrase_file: Option<PathBuf>,
}

impl At {
    /// Who speaks to which server. `None`: it is about this machine.
    pub(crate) fn remote(self) -> Option<Remote> {
        self.server.then(|| Remote {
            profile: self.profile.unwrap_or_else(|| DEFAULT_PROFILE.to_owned()),
            passphrase_file: self.passphrase_file,
        })
    }
}

#[derive(Args, Debug)]
pub(crate) struct Login {
    /// The address of the server [default: the one of the last login, or `http://127.0.0.1:8000`]
    pub(crate) url: Option<String>,
    /// The file with your key [default: the one of the last login]
    #[arg(long, value_name = "FILE", conflicts_with = "new")]
    pub(crate) key: Option<PathBuf>,
    /// Make a new key
    #[arg(long)]
    pub(crate) new: bool,
    /// Do not encrypt the new key: whoever reads its file has it
    #[arg(long, requires = "new")]
    pub(crate) no_passphrase: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Args, Debug)]
pub(crate) struct Execute {
    /// The command and its arguments, such as `config.set temperature 0.3`; `help` lists them
    #[arg(required = true, allow_negative_numbers = true)]
    pub(crate) line: Vec<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Args, Debug)]
pub(crate) struct Key {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an API key for another program; it is shown once
    Create {
        /// What it is for
        name: String,
        /// What it may do: chat, models.read, history.read, profile.read [default: the first two]
        #[arg(long, value_name = "A,B", value_delimiter = ',')]
        scopes: Option<Vec<String>>,
        /// The models that it may ask [default: every one that you may choose]
        #[arg(long, value_name = "A,B", value_delimiter = ',')]
        models: Option<Vec<String>>,
        /// How many days it lives, from 1 to 365 [default: 90]
        #[arg(long, value_name = "N")]
        days: Option<u32>,
    },
    /// List your API keys, without their secrets
    List,
    /// End an API key
    Revoke {
        /// The id that the list shows
        id: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Session {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(subcommand)]
    pub(crate) command: SessionCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List where you are signed in
    List,
    /// Sign out one of your sessions, or all of them
    Revoke {
        /// The id that the list shows
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All of them, this one too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Export {
    /// Where to save it [default: nexus-ADDRESS.jsonl in this folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Check a file that was saved before; nothing is asked of a server
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub(crate) verify: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}
