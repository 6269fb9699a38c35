//! `nexus template apply|rollback`: the plan first, then a yes, then a new version.

use std::path::PathBuf;

use nexus_core::genesis::{GenesisDoc, Problem, Problems};
use nexus_run::{Destination, Proposal, ProposalError};
use nexus_store::Store;
use serde_json::json;

use super::history::find;
use super::{plan, refuse};
use crate::cli::{Change, Source};
use crate::commands::identity::confirm;
use crate::failure::Failure;
use crate::template::Draft;
use crate::{Shell, here, settings, wire};

pub(super) async fn apply(
    shell: &Shell,
    file: PathBuf,
    prompts: Option<PathBuf>,
    change: Change,
) -> Result<(), Failure> {
    let name = file.display().to_string();
    let draft = Draft::read(&Source {
        config: Some(file),
        prompts,
    })?;
    let store = wire::open_existing(&shell.settings).await?;
    let proposal = propose(shell, &*store, draft.doc, draft.problems, &name).await?;
    settle(shell, &*store, proposal, change).await
}

pub(super) async fn rollback(shell: &Shell, version: u64, change: Change) -> Result<(), Failure> {
    let store = wire::open_existing(&shell.settings).await?;
    let old = find(shell, &*store, version).await?;
    let name = format!("version {version}");
    let proposal = propose(shell, &*store, old.doc, Vec::new(), &name).await?;
    settle(shell, &*store, proposal, change).await
}

/// Checks the document. `problems` are mistakes that were found before.
async fn propose(
    shell: &Shell,
    store: &dyn Store,
    doc: GenesisDoc,
    mut problems: Vec<Problem>,
    name: &str,
) -> Result<Proposal, Failure> {
    let destination = Destination {
        store,
        environment: shell.settings.environment,
        secrets: &shell.settings.secrets(),
        at_most: None,
    };
    match Proposal::new(destination, doc).await {
        Ok(proposal) if problems.is_empty() => return Ok(proposal),
        Ok(_) => {}
        Err(ProposalError::Problems(Problems(more))) => problems.extend(more),
        Err(error) => return Err(error.into()),
    }
    Err(refuse(shell, name, &problems))
}

/// Shows the plan, asks, and stores.
async fn settle(
    shell: &Shell,
    store: &dyn Store,
    proposal: Proposal,
    change: Change,
) -> Result<(), Failure> {
    let output = &shell.output;
    let environment = shell.settings.environment;
    let current = proposal.current().unwrap_or(0);
    let (the_plan, warnings) = (proposal.plan.clone(), proposal.warnings.clone());
    let tell = |version: u64, changed: bool| {
        if output.json {
            output.data(&json!({
                "environment": environment,
                "version": version,
                "changed": changed,
                "plan": the_plan,
                "warnings": warnings,
            }));
        }
    };
    if !proposal.changes_something() {
        output.note(format_args!(
            "nothing to do: version {current} for {environment} says the same"
        ));
        tell(current, false);
        return Ok(());
    }
    if !output.json {
        plan::print(output, &the_plan);
        for warning in &warnings {
            output.warn(warning);
        }
    }
    if change.dry_run {
        output.note("nothing was stored: this was a dry run");
        tell(current, false);
        return Ok(());
    }
    let question = format!("Store this as version {} for {environment}?", current + 1);
    if !change.yes && !confirm(shell, &question)? {
        output.note("nothing was stored");
        tell(current, false);
        return Ok(());
    }
    let author = change.author.or_else(settings::user);
    let author = author.as_deref().unwrap_or("somebody at the command line");
    let administration = here::administration(store);
    let stored = proposal.store(&administration, author).await?;
    output.note(format_args!(
        "the template for {environment} is stored as version {}; a running server uses it within a second",
        stored.version
    ));
    tell(stored.version, true);
    Ok(())
}
