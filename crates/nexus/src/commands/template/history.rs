//! `nexus template history|diff`: what was stored, and how it differs.

use nexus_core::plan::document_changes;
use nexus_store::{Store, StoredTemplate, TemplateVersion};
use serde_json::json;

use super::{find_current, no_template, plan};
use crate::failure::Failure;
use crate::output::{columns, printable};
use crate::template::print_diff;
use crate::{Shell, wire};

/// How many versions are read at a time.
const PAGE: u32 = 500;

/// How much of a hash is shown to people.
const SHORT_HASH: usize = 12;

pub(super) async fn history(shell: &Shell) -> Result<(), Failure> {
    let environment = shell.settings.environment;
    let store = wire::open_existing(&shell.settings).await?;
    let mut all: Vec<TemplateVersion> = Vec::new();
    loop {
        let before = all.last().map(|oldest| oldest.version);
        let mut page = store.template_versions(environment, before, PAGE).await?;
        if page.is_empty() {
            break;
        }
        all.append(&mut page);
    }
    if all.is_empty() {
        return Err(no_template(shell));
    }
    if shell.output.json {
        shell.output.data(&all);
        return Ok(());
    }
    let row = |it: &TemplateVersion| {
        vec![
            it.version.to_string(),
            it.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            printable(&it.author).into_owned(),
            it.hash.chars().take(SHORT_HASH).collect(),
        ]
    };
    let heading = ["VERSION", "STORED (UTC)", "BY", "HASH"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading.to_vec())
        .chain(all.iter().map(row))
        .collect();
    for line in columns(&rows) {
        shell.output.line(line);
    }
    Ok(())
}

/// Without versions: the one before the current against the current. With one: that one against
/// the current.
pub(super) async fn diff(shell: &Shell, old: Option<u64>, new: Option<u64>) -> Result<(), Failure> {
    let store = wire::open_existing(&shell.settings).await?;
    let new = match new {
        Some(version) => find(shell, &*store, version).await?,
        None => find_current(shell, &*store).await?,
    };
    let old = match old {
        Some(version) => version,
        None => new.version - 1,
    };
    if old == 0 {
        return Err(Failure::new(
            "version 1 is the first: there is none before it",
        ));
    }
    let old = find(shell, &*store, old).await?;
    let changes = document_changes(&old.doc, &new.doc);
    if shell.output.json {
        shell.output.data(&json!({
            "environment": shell.settings.environment,
            "from": old.version,
            "to": new.version,
            "changes": changes,
        }));
        return Ok(());
    }
    if changes.is_empty() {
        shell.output.note(format_args!(
            "versions {} and {} say the same",
            old.version, new.version
        ));
        return Ok(());
    }
    print_diff(
        shell,
        (&format!("version {}", old.version), &old.doc),
        (&format!("version {}", new.version), &new.doc),
    )?;
    for change in changes.iter().filter(|it| it.before == it.after) {
        shell.output.line(printable(&plan::place(change)));
    }
    Ok(())
}

/// One version of the template.
pub(super) async fn find(
    shell: &Shell,
    store: &dyn Store,
    version: u64,
) -> Result<StoredTemplate, Failure> {
    let environment = shell.settings.environment;
    let found = store.template_version(environment, version).await?;
    found.ok_or_else(|| {
        Failure::new(format!("there is no version {version} for {environment}"))
            .hint("`nexus template history` lists them")
    })
}
