//! The program: reads its settings, wires the parts together, does what the command line says.
//! Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed,
//! or a person has to decide something, 2 the command line was not understood.

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
}

fn main() -> ExitCode {
    let cli = Cli::read();
    let output = Output::new(cli.global.json, cli.global.no_color);
    let shell = match Settings::read(cli.global) {
        Ok(settings) => Shell { settings, output },
        Err(failure) if matches!(cli.command, cli::Command::Doctor(_)) => {
            return failed(&output, &commands::doctor::cannot_begin(&output, &failure));
        }
        Err(failure) => return failed(&output, &failure),
    };
    for warning in &shell.settings.warnings {
        shell.output.warn(warning);
    }
    let outcome = run(&shell, cli.command);
    match outcome.and_then(|()| shell.output.is_whole()) {
        Ok(()) => ExitCode::SUCCESS,
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
