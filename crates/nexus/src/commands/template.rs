//! `nexus template show|check|history|diff|apply|rollback`.

mod change;
mod history;
mod plan;

use std::path::PathBuf;

use nexus_core::genesis::{Problem, Problems};
use nexus_store::{Store, StoredTemplate};
use serde_json::json;

use crate::Shell;
use crate::cli::{Source, Template};
use crate::failure::Failure;
use crate::template::{Draft, to_yaml};
use crate::wire;

pub(crate) async fn run(shell: &Shell, command: Template) -> Result<(), Failure> {
    match command {
        Template::Show => show(shell).await,
        Template::Check { file, prompts } => check(shell, file, prompts),
        Template::History => history::history(shell).await,
        Template::Diff { old, new } => history::diff(shell, old, new).await,
        Template::Apply {
            file,
            prompts,
            change,
        } => change::apply(shell, file, prompts, change).await,
        Template::Rollback { version, change } => change::rollback(shell, version, change).await,
    }
}

async fn show(shell: &Shell) -> Result<(), Failure> {
    let environment = shell.settings.environment;
    let store = wire::open_existing(&shell.settings).await?;
    let stored = find_current(shell, &*store).await?;
    if shell.output.json {
        shell.output.data(&json!({
            "environment": environment,
            "version": stored.version,
            "author": stored.author,
            "created_at": stored.created_at,
            "document": stored.doc.without_secrets(),
        }));
        return Ok(());
    }
    shell.output.note(format_args!(
        "version {} for {environment}, stored by {} at {}",
        stored.version, stored.author, stored.created_at
    ));
    if stored.hash != stored.doc.hash() {
        shell
            .output
            .warn("it was edited in the database after it was stored");
    }
    shell.output.exact(&to_yaml(&stored.doc)?);
    Ok(())
}

fn check(shell: &Shell, file: PathBuf, prompts: Option<PathBuf>) -> Result<(), Failure> {
    let output = &shell.output;
    let name = file.display().to_string();
    let draft = Draft::read(&Source {
        config: Some(file),
        prompts,
    })?;
    match draft.check(&shell.settings.secrets()) {
        Ok(checked) => {
            if output.json {
                output.data(&json!({"problems": [], "warnings": checked.warnings}));
            } else {
                for warning in &checked.warnings {
                    output.warn(warning);
                }
            }
            output.note(format_args!("{name} can be used"));
            Ok(())
        }
        Err(Problems(problems)) => Err(refuse(shell, &name, &problems)),
    }
}

/// Prints every mistake of a template, and says how many there are.
fn refuse(shell: &Shell, name: &str, problems: &[Problem]) -> Failure {
    let output = &shell.output;
    if output.json {
        output.data(&json!({"problems": problems, "warnings": []}));
    } else {
        for problem in problems {
            output.line(problem);
        }
    }
    match problems.len() {
        1 => Failure::new(format!("{name} has 1 mistake")),
        count => Failure::new(format!("{name} has {count} mistakes")),
    }
}

async fn find_current(shell: &Shell, store: &dyn Store) -> Result<StoredTemplate, Failure> {
    let stored = store.template(shell.settings.environment).await?;
    stored.ok_or_else(|| no_template(shell))
}

fn no_template(shell: &Shell) -> Failure {
    let environment = shell.settings.environment;
    let place = shell.settings.place();
    Failure::new(format!("there is no template for {environment} in {place}")).hint(format!(
        "store one with `nexus init --environment {environment}`"
    ))
}
