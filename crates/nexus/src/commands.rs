//! One module for each command.

mod chat;
mod config;
mod identity;
mod init;
mod models;
mod prompt;
mod serve;
mod template;
mod usage;

use crate::Shell;
use crate::cli::Command;
use crate::failure::Failure;
use crate::logs;

/// Does what the command line says.
pub(crate) async fn run(shell: &Shell, command: Command) -> Result<(), Failure> {
    if !matches!(command, Command::Serve(_)) {
        // Only what was asked for belongs on the terminal.
        logs::start(shell, nexus_core::genesis::LogLevel::Error)?;
    }
    match command {
        Command::Serve(arguments) => serve::run(shell, arguments).await,
        Command::Chat { key } => chat::run(shell, key).await,
        Command::Init(arguments) => init::run(shell, arguments).await,
        Command::Template(command) => template::run(shell, command).await,
        Command::Identity(command) => identity::run(shell, command).await,
        Command::Config(command) => config::run(shell, command).await,
        Command::Prompt(command) => prompt::run(shell, command).await,
        Command::Models => models::run(shell).await,
        Command::Usage(arguments) => usage::run(shell, arguments).await,
    }
}
