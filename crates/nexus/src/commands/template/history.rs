//! `nexus template history|diff`: what was stored, and how it differs.

use nexus_core::plan::document_changes;
use nexus_store::TemplateVersion;
use serde_json::json;

use super::place::Place;
use super::plan;
use crate::Shell;
use crate::cli::At;
use crate::failure::Failure;
use crate::output::{columns, printable};
use crate::template::print_diff;

/// How much of a hash is shown to people.
const SHORT_HASH: usize = 12;

pub(super) async fn history(shell: &Shell, at: At) -> Result<(), Failure> {
    let all = Place::open(shell, at).await?.versions().await?;
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
pub(super) async fn diff(
    shell: &Shell,
    (old, new): (Option<u64>, Option<u64>),
    at: At,
) -> Result<(), Failure> {
    let place = Place::open(shell, at).await?;
    let new = match new {
        Some(version) => place.find(version).await?,
        None => place.current().await?.stored,
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
    let old = place.find(old).await?;
    let changes = document_changes(&old.doc, &new.doc);
    if shell.output.json {
        shell.output.data(&json!({
            "environment": new.environment,
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
