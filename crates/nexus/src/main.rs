//! The program: reads its settings, wires the parts together, does what the command line says.
//! Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed,
//! or a person has to decide something, 2 the command line was not understood, and 3, where
//! `--exit-code` asks for it, a dry run that would change something.

mod cli;
mod commands;
mod failure;
mod files;
mod here;
mod keys;
mod logs;
mod outcome;
mod output;
mod private;
mod probe;
mod remote;
mod report;
mod settings;
mod signals;
mod template;
mod view;
mod wire;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::Settings;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What every command works with.
struct Shell {
    settings: Settings,
    output: Output,
    /// The exit code of a command that was done.
    exit_code: AtomicU8,
}

impl Shell {
    /// Ends the program with another exit code than 0 once the command is done.
    fn end_with(&self, code: u8) {
        self.exit_code.store(code, Ordering::Relaxed);
    }
}

fn main() -> ExitCode {
    let cli = Cli::read();
    let output = Output::new(cli.global.json, cli.global.no_color);
    let shell = match Settings::read(cli.global) {
        Ok(settings) => Shell {
            settings,
            output,
            exit_code: AtomicU8::new(0),
        },
        Err(failure) if matches!(cli.command, cli::Command::Doctor(_)) => {
            return failed(&output, &commands::doctor::cannot_begin(&output, &failure));
        }
        Err(failure) => return failed(&output, &failure),
    };
    // Among its findings.
    if !matches!(cli.command, cli::Command::Doctor(_)) {
        for warning in &shell.settings.warnings {
            shell.output.warn(warning);
        }
    }
    let outcome = run(&shell, cli.command);
    match outcome.and_then(|()| shell.output.is_whole()) {
        Ok(()) => ExitCode::from(shell.exit_code.into_inner()),
        Err(failure) => failed(&shell.output, &failure),
    }
}

fn failed(output: &Output, failure: &Failure) -> ExitCode {
    output.fail(failure);
    ExitCode::FAILURE
}

fn run(shell: &Shell, command: cli::Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the program cannot start its threads: {error}")))?;
    let outcome = runtime.block_on(commands::run(shell, command));
    // A thread that waits for a line of input cannot be stopped, and need not be waited for.
    runtime.shutdown_background();
    outcome
}
