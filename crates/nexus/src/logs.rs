//! The log: to standard error, for people or for programs.

use std::io::{self, IsTerminal};

use nexus_core::genesis::LogLevel;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::Shell;
use crate::cli::LogFormat;
use crate::failure::Failure;
use crate::settings;

/// Starts the log. `level` holds when the settings say nothing.
pub(crate) fn start(shell: &Shell, level: LogLevel) -> Result<(), Failure> {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warn",
        LogLevel::Error => "error",
    };
    let settings = &shell.settings;
    let filter = match &settings.log {
        Some(filter) => EnvFilter::try_new(filter).map_err(|error| refuse(filter, &error))?,
        // What libraries say interests when it is wrong.
        None => EnvFilter::new(format!("warn,nexus={level}")),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal() && !settings::colours_are_unwanted();
            builder.with_ansi(colours).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new(format!("the log cannot be started: {error}")))
}

fn refuse(filter: &str, error: &ParseError) -> Failure {
    Failure::new(format!("{filter:?} is not a filter for the log: {error}"))
        .hint("such as --log debug, or --log warn,nexus_run=debug")
}
