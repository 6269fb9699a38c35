//! `nexus audit list|verify`: what was changed, and whether the record of it is whole.

use nexus_core::audit::{AuditEntry, AuditHead, BrokenAt, Chain};
use nexus_store::Store;
use serde_json::json;

use crate::cli::Audit;
use crate::commands::identity::quarantine;
use crate::failure::Failure;
use crate::output::columns;
use crate::{Shell, wire};

/// How many entries are read at a time.
const PAGE: u32 = 500;

pub(crate) async fn run(shell: &Shell, command: Audit) -> Result<(), Failure> {
    let store = wire::open_existing(&shell.settings).await?;
    match command {
        Audit::List { limit } => list(shell, &*store, limit).await,
        Audit::Verify { expect_head } => verify(shell, &*store, expect_head).await,
    }
}

async fn list(shell: &Shell, store: &dyn Store, limit: u32) -> Result<(), Failure> {
    let output = &shell.output;
    let last = store.audit_head().await?.map_or(0, |head| head.seq);
    let mut after = last.saturating_sub(limit.into());
    let mut entries: Vec<AuditEntry> = Vec::new();
    while after < last {
        let page = store.audit(after, PAGE).await?;
        entries.extend(page.entries);
        quarantine::name(output, &page.unreadable);
        let Some(end) = page.next else { break };
        after = end;
    }
    if output.json {
        let entries = entries.into_iter().map(nexus_api::audit::AuditEntry::from);
        output.data(&entries.collect::<Vec<_>>());
        return Ok(());
    }
    let heading = ["ENTRY", "WHEN", "WHO", "WHAT", "TO", "FIELDS"].map(str::to_owned);
    let row = |entry: &AuditEntry| {
        let fields: Vec<_> = entry.details.keys().map(String::as_str).collect();
        vec![
            entry.seq.to_string(),
            entry.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            entry.actor.to_string(),
            entry.action.to_string(),
            entry.target.to_string(),
            fields.join(", "),
        ]
    };
    let rows: Vec<_> = std::iter::once(heading.to_vec())
        .chain(entries.iter().map(row))
        .collect();
    for line in columns(&rows) {
        output.line(line);
    }
    Ok(())
}

/// Why the record is not whole.
enum Broken {
    At(BrokenAt),
    Unreadable(String),
}

async fn verify(
    shell: &Shell,
    store: &dyn Store,
    expected: Option<AuditHead>,
) -> Result<(), Failure> {
    let output = &shell.output;
    let reason = match check(store, expected).await? {
        Ok(head) => {
            if output.json {
                output.data(&json!({"is_whole": true, "head": head}));
            } else if let Some(AuditHead { seq, hash }) = head {
                output.line(format_args!("{seq}:{hash}"));
            }
            output.note(match head {
                Some(head) => format!(
                    "the audit is whole: {} entries. Keep the line above in another place, and \
                     give it to --expect-head next time.",
                    head.seq
                ),
                None => "the audit is whole: it is empty".to_owned(),
            });
            return Ok(());
        }
        Err(Broken::At(broken)) => {
            if output.json {
                let (seq, damage) = (broken.seq, broken.damage.to_string());
                output.data(&json!({"is_whole": false, "entry": seq, "damage": damage}));
            }
            broken.to_string()
        }
        Err(Broken::Unreadable(reason)) => {
            if output.json {
                output.data(&json!({"is_whole": false, "entry": null, "damage": reason}));
            }
            format!("the audit is broken: {reason}")
        }
    };
    Err(Failure::new(reason).hint("a copy of the database from before shows what it was"))
}

async fn check(
    store: &dyn Store,
    expected: Option<AuditHead>,
) -> Result<Result<Option<AuditHead>, Broken>, Failure> {
    let mut chain = Chain::expecting(expected);
    let mut after = 0;
    loop {
        let page = store.audit(after, PAGE).await?;
        if let Some(first) = page.unreadable.first() {
            let reason = format!("{} cannot be read: {}", first.what, first.reason);
            return Ok(Err(Broken::Unreadable(reason)));
        }
        for entry in &page.entries {
            if let Err(broken) = chain.check(entry) {
                return Ok(Err(Broken::At(broken)));
            }
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(chain.finish().map_err(Broken::At)),
        }
    }
}
