//! `nexus template show|check|history|diff|apply|rollback`.

mod change;
mod history;
mod place;
pub(super) mod plan;
mod server;

use std::path::PathBuf;

use nexus_core::genesis::{Problem, Problems};
use serde_json::json;

use crate::Shell;
use crate::cli::{At, Source, Template};
use crate::failure::Failure;
use crate::output::printable;
use crate::template::{Draft, to_yaml};

use self::place::{Current, Place};

pub(crate) async fn run(shell: &Shell, command: Template) -> Result<(), Failure> {
    match command {
        Template::Show(at) => show(shell, at).await,
        Template::Check { file, prompts } => check(shell, file, prompts),
        Template::History(at) => history::history(shell, at).await,
        Template::Diff { old, new, at } => history::diff(shell, (old, new), at).await,
        Template::Apply {
            file,
            prompts,
            change,
        } => change::apply(shell, file, prompts, change).await,
        Template::Rollback { version, change } => change::rollback(shell, version, change).await,
    }
}

async fn show(shell: &Shell, at: At) -> Result<(), Failure> {
    let place = Place::open(shell, at).await?;
    let Current { stored, remarks } = place.current().await?;
    let environment = stored.environment;
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
        "version {} for {environment}, {} at {}",
        stored.version,
        match printable(&stored.author) {
            author if author.is_empty() => "made outside of Nexus".to_owned(),
            author => format!("stored by {author}"),
        },
        stored.created_at
    ));
    for remark in remarks {
        shell.output.warn(printable(&remark));
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
