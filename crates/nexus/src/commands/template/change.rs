//! `nexus template apply|rollback`: the plan first, then a yes, then a new version.

use std::path::PathBuf;

use nexus_core::Environment;
use nexus_core::genesis::{GenesisDoc, Problem, Problems};
use nexus_core::plan::Plan;
use nexus_run::{Destination, Proposal, ProposalError};
use nexus_store::{Store, Unreadable};
use serde_json::{Value, json};

use super::place::Place;
use super::{plan, refuse, server};
use crate::cli::{Change, Source};
use crate::commands::identity::{confirm, quarantine};
use crate::failure::Failure;
use crate::output::printable;
use crate::template::Draft;
use crate::{Shell, here, settings};

/// A new template: the document, what is wrong with it so far, and what people call it.
pub(super) struct New {
    pub(super) doc: GenesisDoc,
    pub(super) problems: Vec<Problem>,
    /// For which environment it says that it is, if it says so.
    pub(super) environment: Option<Value>,
    pub(super) name: String,
}

impl New {
    /// The warning that it is meant for another environment than it is stored for.
    pub(super) fn is_for_another(&self, environment: Environment) -> Option<Problem> {
        let named = self.environment.as_ref()?;
        (named != environment.as_str()).then(|| Problem {
            pointer: "/environment".to_owned(),
            found: named.to_string(),
            expected: format!(
                "{environment}, for which it is stored: the line has no effect; --environment \
                 chooses another"
            ),
        })
    }
}

pub(super) async fn apply(
    shell: &Shell,
    file: PathBuf,
    prompts: Option<PathBuf>,
    change: Change,
) -> Result<(), Failure> {
    let name = file.display().to_string();
    let Draft {
        doc,
        problems,
        environment,
    } = Draft::read(&Source {
        config: Some(file),
        prompts,
    })?;
    let place = Place::open(shell, change.at.clone()).await?;
    let new = New {
        doc,
        problems,
        environment,
        name,
    };
    put(shell, &place, new, change).await
}

pub(super) async fn rollback(shell: &Shell, version: u64, change: Change) -> Result<(), Failure> {
    let place = Place::open(shell, change.at.clone()).await?;
    let new = New {
        doc: place.find(version).await?.doc,
        problems: Vec::new(),
        environment: None,
        name: format!("version {version}"),
    };
    put(shell, &place, new, change).await
}

async fn put(shell: &Shell, place: &Place, new: New, change: Change) -> Result<(), Failure> {
    match place {
        Place::Here { store, .. } => here(shell, &**store, new, change).await,
        Place::There(remote) => server::put(shell, remote, new, &change).await,
    }
}

async fn here(shell: &Shell, store: &dyn Store, new: New, change: Change) -> Result<(), Failure> {
    let odd = new.is_for_another(shell.settings.environment);
    let proposal = propose(shell, store, new).await?;
    let planned = Planned {
        environment: shell.settings.environment,
        current: proposal.current().unwrap_or(0),
        is_new: proposal.changes_something(),
        plan: proposal.plan.clone(),
        warnings: odd.into_iter().chain(proposal.warnings.clone()).collect(),
        unreadable: proposal.unreadable.clone(),
        place: String::new(),
    };
    let author = change.author.clone().or_else(settings::user);
    let author = author.as_deref().unwrap_or("somebody at the command line");
    let administration = here::administration(store);
    let stored = async || Ok(proposal.store(&administration, author).await?.version);
    settle(shell, planned, &change, stored).await
}

/// Checks the document, and adds what is wrong to what was found before.
async fn propose(shell: &Shell, store: &dyn Store, new: New) -> Result<Proposal, Failure> {
    let mut problems = new.problems;
    let destination = Destination {
        store,
        environment: shell.settings.environment,
        secrets: &shell.settings.secrets(),
        at_most: None,
    };
    match Proposal::new(destination, new.doc).await {
        Ok(proposal) if problems.is_empty() => return Ok(proposal),
        Ok(_) => {}
        Err(ProposalError::Problems(Problems(more))) => problems.extend(more),
        Err(error) => return Err(error.into()),
    }
    Err(refuse(shell, &new.name, &problems))
}

/// A change that can be made.
pub(super) struct Planned {
    pub(super) environment: Environment,
    /// The version that is stored; 0: none.
    pub(super) current: u64,
    /// Whether the stored document says something else.
    pub(super) is_new: bool,
    pub(super) plan: Plan,
    pub(super) warnings: Vec<Problem>,
    /// Identities that the plan leaves out.
    pub(super) unreadable: Vec<Unreadable>,
    /// ` at https://…`; empty for this machine.
    pub(super) place: String,
}

/// The exit code of a dry run that found a difference, where one is asked for.
const WOULD_CHANGE: u8 = 3;

/// Shows the plan, asks, and stores.
pub(super) async fn settle(
    shell: &Shell,
    planned: Planned,
    change: &Change,
    store: impl AsyncFnOnce() -> Result<u64, Failure>,
) -> Result<(), Failure> {
    let output = &shell.output;
    let Planned {
        environment,
        current,
        is_new,
        plan,
        warnings,
        unreadable,
        place,
    } = planned;
    let tell = |version: u64, changed: bool| {
        if output.json {
            output.data(&json!({
                "environment": environment,
                "version": version,
                "changed": changed,
                "plan": plan,
                "warnings": warnings,
                "unreadable": unreadable,
            }));
        }
    };
    if !is_new {
        output.note(format_args!(
            "nothing to do: version {current} for {environment}{place} says the same"
        ));
        tell(current, false);
        return Ok(());
    }
    if !output.json {
        plan::print(output, &plan);
        for warning in &warnings {
            output.warn(printable(&warning.to_string()));
        }
        quarantine::name(output, &unreadable);
    }
    if change.dry_run {
        output.note("nothing was stored: this was a dry run");
        if change.exit_code {
            shell.end_with(WOULD_CHANGE);
        }
        tell(current, false);
        return Ok(());
    }
    let next = current + 1;
    let question = format!("Store this as version {next} for {environment}{place}?");
    if !change.yes && !confirm(shell, &question)? {
        output.note("nothing was stored");
        tell(current, false);
        return Ok(());
    }
    let version = store().await?;
    output.note(format_args!(
        "the template for {environment}{place} is stored as version {version}; a running server \
         uses it within a second"
    ));
    tell(version, true);
    Ok(())
}
