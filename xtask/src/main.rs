//! Checks of this repository that the compiler and clippy do not make.
//! `cargo xtask check` runs all of them, `cargo xtask NAME` runs one. `cargo xtask openapi` writes
//! the OpenAPI document.

mod directions;
mod finding;
mod headers;
mod paths;
mod regressions;
mod repository;
mod sizes;
mod supply;
mod threats;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use finding::{Finding, Level};
use repository::Repository;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One rule of the house: its name on the command line, what it is for, and how to run it.
struct Check {
    name: &'static str,
    purpose: &'static str,
    run: fn(&Repository) -> Result<Vec<Finding>>,
}

const CHECKS: [Check; 7] = [
    Check {
        name: "sizes",
        purpose: "no source file is too long to read in one sitting",
        run: sizes::check,
    },
    Check {
        name: "directions",
        purpose: "the crates depend on each other in one direction only",
        run: directions::check,
    },
    Check {
        name: "paths",
        purpose: "the paths that the documents name are there",
        run: paths::check,
    },
    Check {
        name: "headers",
        purpose: "each Rust file opens with a line that says what it is",
        run: headers::check,
    },
    Check {
        name: "supply",
        purpose: "what is built comes from the lock files and from nowhere else",
        run: supply::check,
    },
    Check {
        name: "threats",
        purpose: "each threat has a row in docs/threats.md, with tests that are there",
        run: threats::check,
    },
    Check {
        name: "regressions",
        purpose: "each id has a row in docs/regressions.md, and a test that begins with it",
        run: regressions::check,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let checks: Vec<&Check> = match arguments.as_slice() {
        [name] if name == "check" => CHECKS.iter().collect(),
        [name] => CHECKS.iter().filter(|check| check.name == name).collect(),
        _ => Vec::new(),
    };
    let mut out = io::stdout().lock();
    let outcome = if arguments == ["openapi"] {
        write_openapi().map(|()| ExitCode::SUCCESS)
    } else if checks.is_empty() {
        usage(&mut out).map(|()| ExitCode::from(2))
    } else {
        run(&checks, &mut out)
    };
    outcome.unwrap_or_else(|error| {
        // Nothing is left to try when even this line cannot be written.
        let _ = writeln!(io::stderr(), "xtask: {error}");
        ExitCode::from(2)
    })
}

fn run(checks: &[&Check], out: &mut impl Write) -> Result<ExitCode> {
    let repository = Repository::of_this_crate()?;
    let mut failed = false;
    for check in checks {
        let mut findings = (check.run)(&repository)?;
        findings.sort();
        for finding in &findings {
            writeln!(out, "{finding}\n")?;
        }
        let errors = findings
            .iter()
            .filter(|finding| finding.level == Level::Error)
            .count();
        let warnings = findings.len() - errors;
        let verdict = if errors > 0 { "failed" } else { "ok" };
        writeln!(
            out,
            "xtask {}: {verdict} ({errors} errors, {warnings} warnings)",
            check.name
        )?;
        failed |= errors > 0;
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Writes the OpenAPI document anew. A test of `nexus-api` fails while it is stale.
fn write_openapi() -> Result<()> {
    let file = Repository::of_this_crate()?
        .root()
        .join("crates/nexus-api/openapi.json");
    Ok(std::fs::write(file, nexus_api::openapi::generate()?)?)
}

fn usage(out: &mut impl Write) -> Result<()> {
    writeln!(out, "Usage: cargo xtask COMMAND\n\nCommands:")?;
    writeln!(out, "  {:<11} all of the following", "check")?;
    writeln!(
        out,
        "  {:<11} writes crates/nexus-api/openapi.json",
        "openapi"
    )?;
    for check in &CHECKS {
        writeln!(out, "  {:<11} {}", check.name, check.purpose)?;
    }
    Ok(())
}
