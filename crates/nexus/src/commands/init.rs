//! `nexus init`: the template from files into the store.

use nexus_core::genesis::GenesisDoc;
use serde_json::json;

use crate::Shell;
use crate::cli::Init;
use crate::failure::Failure;
use crate::template::{Choice, Draft, Outcome, install, print_diff};
use crate::wire;

pub(crate) async fn run(shell: &Shell, arguments: Init) -> Result<(), Failure> {
    // A mistake in a file should not leave a data folder behind.
    let draft = Draft::read(&arguments.source)?;
    let store = wire::open(&shell.settings).await?;
    let choice = Choice {
        default_model: arguments.default_model,
        force: arguments.force,
    };
    let outcome = install(
        shell,
        &*store,
        &wire::client(&shell.settings)?,
        draft,
        choice,
    )
    .await?;
    report(shell, &outcome)
}

fn report(shell: &Shell, outcome: &Outcome) -> Result<(), Failure> {
    let output = &shell.output;
    let environment = shell.settings.environment;
    match outcome {
        Outcome::UpToDate(stored) => {
            let version = stored.version;
            output.note(format_args!(
                "the template for {environment} is already up to date (version {version})"
            ));
            tell(shell, false, version);
            Ok(())
        }
        Outcome::Stored {
            before,
            now,
            warnings,
        } => {
            for warning in warnings {
                output.warn(warning);
            }
            if let Some(before) = before {
                show(shell, before.version, &before.doc, &now.doc)?;
            }
            output.note(format_args!(
                "the template for {environment} is stored as version {}",
                now.version
            ));
            tell(shell, true, now.version);
            Ok(())
        }
        Outcome::Edited { stored, wanted } => {
            show(shell, stored.version, &stored.doc, wanted)?;
            let message = format!(
                "the stored template (version {}) {}: nothing was changed",
                stored.version,
                match stored.author.as_str() {
                    "" => "is not one that Nexus stored".to_owned(),
                    author => format!("was edited by {author}"),
                }
            );
            Err(Failure::new(message).hint(
                "the lines above show what would change; --force stores it as a new version, and \
                 the old one is kept",
            ))
        }
    }
}

fn tell(shell: &Shell, changed: bool, version: u64) {
    if shell.output.json {
        let environment = shell.settings.environment;
        let facts = json!({"environment": environment, "version": version, "changed": changed});
        shell.output.data(&facts);
    }
}

fn show(shell: &Shell, version: u64, old: &GenesisDoc, new: &GenesisDoc) -> Result<(), Failure> {
    if shell.output.json {
        return Ok(());
    }
    let stored = format!("stored (version {version})");
    print_diff(shell, (&stored, old), ("new", new))
}
