//! One module for each command.

mod admin;
mod audit;
mod chat;
mod config;
pub(crate) mod doctor;
mod execute;
mod export;
mod identity;
mod init;
mod login;
mod migrate;
mod models;
mod prompt;
mod serve;
mod template;
mod tools;
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
        Command::Migrate(arguments) => migrate::run(shell, arguments).await,
        Command::Models => models::run(shell).await,
        Command::Doctor(arguments) => doctor::run(shell, arguments).await,
        Command::Tools => tools::run(shell).await,
        Command::Admin(command) => admin::run(shell, command).await,
        Command::Audit(command) => audit::run(shell, command).await,
        Command::Login(arguments) => login::login(shell, arguments).await,
        Command::Logout(remote) => login::logout(shell, &remote).await,
        Command::Whoami(remote) => login::whoami(shell, &remote).await,
        Command::Execute(arguments) => execute::line(shell, &arguments).await,
        Command::Key(arguments) => execute::key(shell, arguments).await,
        Command::Session(arguments) => execute::session(shell, arguments).await,
        Command::Export(arguments) => export::run(shell, arguments).await,
        Command::Usage(arguments) => usage::run(shell, arguments).await,
    }
}
