//! `nexus template show|check`.

use std::path::PathBuf;

use nexus_core::genesis::Problems;
use serde_json::json;

use crate::Shell;
use crate::cli::{Source, Template};
use crate::failure::Failure;
use crate::template::{Draft, to_yaml, without_keys};
use crate::{settings, wire};

pub(crate) async fn run(shell: &Shell, command: Template) -> Result<(), Failure> {
    match command {
        Template::Show => show(shell).await,
        Template::Check { file, prompts } => check(shell, file, prompts),
    }
}

async fn show(shell: &Shell) -> Result<(), Failure> {
    let environment = shell.settings.environment;
    let store = wire::open_existing(&shell.settings)?;
    let Some(stored) = store.template(environment).await? else {
        let message = format!(
            "there is no template for {environment} in {}",
            shell.settings.data.display()
        );
        let hint = format!("store one with `nexus init --environment {environment}`");
        return Err(Failure::new(message).hint(hint));
    };
    if shell.output.json {
        shell.output.data(&json!({
            "environment": environment,
            "version": stored.version,
            "author": stored.author,
            "created_at": stored.created_at,
            "document": without_keys(&stored.doc),
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
    let (problems, warnings) = match draft.check(&*settings::variables()) {
        Ok(checked) => (Vec::new(), checked.warnings),
        Err(Problems(problems)) => (problems, Vec::new()),
    };
    if output.json {
        output.data(&json!({"problems": problems, "warnings": warnings}));
    } else {
        for problem in &problems {
            output.line(problem);
        }
        for warning in &warnings {
            output.warn(warning);
        }
    }
    match problems.len() {
        0 => {
            output.note(format_args!("{name} can be used"));
            Ok(())
        }
        1 => Err(Failure::new(format!("{name} has 1 mistake"))),
        count => Err(Failure::new(format!("{name} has {count} mistakes"))),
    }
}
