//! Prepares a database that the original Python NEXUS wrote.

use nexus_store::{Change, Concern, Findings, Original};
use serde_json::json;

use super::progress::Meter;
use super::template::Looks;
use super::{EXAMPLES, Go, TO_LOOK_AT, examples, list};
use crate::Shell;
use crate::commands::identity::confirm;
use crate::failure::Failure;
use crate::output::columns;
use crate::wire;

pub(super) async fn run(shell: &Shell, go: Go) -> Result<(), Failure> {
    let output = &shell.output;
    let original = wire::original(&shell.settings).await?;
    let mut looks = Looks::take(shell, &original, go.repair).await?;
    if !(go.apply && go.yes) {
        let findings = survey(shell, &original).await?;
        let is_done = findings.is_in_form() && !looks.is_repair();
        if !go.apply || is_done {
            report(shell, &original, (&findings, &looks), false);
            let nothing_open = findings.concerns.is_empty() && looks.to_decide() == 0;
            match (is_done, nothing_open) {
                (true, true) => output.note("nothing to do"),
                (true, false) => output.note("nothing to do, but for what you have to decide"),
                (false, _) => output.note(
                    "nothing was changed: this was a dry run. Stop what writes to the database, \
                     make a backup, and add --apply",
                ),
            }
            return verdict(&findings, &looks);
        }
        if !output.json {
            report(shell, &original, (&findings, &looks), false);
        }
        if !confirm(shell, "Change these documents?")? {
            output.note("nothing was changed");
            return Ok(());
        }
    }
    looks.move_keys(&original).await?;
    let findings = {
        let mut meter = Meter::new(output);
        original.apply(&mut |progress| meter.show(progress)).await?
    };
    looks.store(shell).await?;
    report(shell, &original, (&findings, &looks), true);
    output.note(format_args!(
        "check of the specification: {} identities are without override fields, 0 are expected",
        findings.without_overrides
    ));
    verdict(&findings, &looks)
}

async fn survey(shell: &Shell, original: &Original) -> Result<Findings, Failure> {
    let mut meter = Meter::new(&shell.output);
    let survey = original.survey(&mut |progress| meter.show(progress)).await;
    Ok(survey?)
}

/// What a person has to decide makes the command fail, so that a script notices.
fn verdict(findings: &Findings, looks: &Looks) -> Result<(), Failure> {
    // What is held back needs no decision of its own.
    let to_decide = findings
        .concerns
        .iter()
        .filter(|(it, _)| **it != Concern::HeldBack);
    let count: u64 = to_decide.map(|(_, tally)| tally.count).sum();
    let count = count + looks.to_decide();
    if count == 0 {
        return Ok(());
    }
    Err(
        Failure::new(format!("{count} of the findings need a decision of yours"))
            .hint("none of them was touched; they are listed above, with what to do"),
    )
}

fn report(
    shell: &Shell,
    original: &Original,
    (findings, looks): (&Findings, &Looks),
    applied: bool,
) {
    let output = &shell.output;
    if output.json {
        output.data(&json!({
            "database": original.location(),
            "applied": applied,
            "documents": findings.documents,
            "changes": findings.changes,
            "concerns": findings.concerns,
            "templates": looks.all,
            "without_overrides": findings.without_overrides,
        }));
        return;
    }
    let documents: Vec<_> = findings
        .documents
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    output.line(format_args!(
        "{}: {}",
        original.location(),
        documents.join(", ")
    ));
    if !findings.changes.is_empty() {
        let heading = if applied { "CHANGED" } else { "TO CHANGE" };
        let mut rows = vec![[heading, "COUNT", "SUCH AS"].map(str::to_owned).to_vec()];
        rows.extend(findings.changes.iter().map(|(change, tally)| {
            vec![
                change_text(*change).to_owned(),
                tally.count.to_string(),
                examples(tally),
            ]
        }));
        output.line("");
        for line in columns(&rows) {
            output.line(line);
        }
    }
    report_concerns(shell, findings);
    looks.print(shell);
}

fn report_concerns(shell: &Shell, findings: &Findings) {
    let output = &shell.output;
    for (concern, tally) in &findings.concerns {
        let (what, advice) = concern_text(*concern);
        output.line("");
        output.line(format_args!(
            "{} {what}: {}",
            output.paint.yellow("to decide:"),
            tally.count
        ));
        let most = match concern {
            Concern::HeldBack => EXAMPLES,
            _ => TO_LOOK_AT,
        };
        list(output, tally, most);
        output.line(format_args!("  What to do: {advice}"));
    }
}

const fn change_text(change: Change) -> &'static str {
    match change {
        Change::UnwrapTemplate => "templates out of config_data",
        Change::FillInIdentity => "missing maps of identities become {}",
        Change::LowerKey => "public_key in lower case",
        Change::LowerOwner => "owner_key in lower case",
        Change::RenameRole => "role by its name",
        Change::FillInMessage => "metadata of messages: null becomes {}",
    }
}

/// What it is, and what to do about it.
const fn concern_text(concern: Concern) -> (&'static str, &'static str) {
    match concern {
        Concern::Collision => (
            "one address in several spellings, and so several documents",
            "choose the document that stays, copy into it what you want of the others, delete \
             these, and run this again; their messages follow then",
        ),
        Concern::HeldBack => (
            "messages of such an address",
            "nothing; once the identities are settled, run this again",
        ),
        Concern::Template => (
            "documents of configurations that cannot be used as they are",
            "edit them in the database until each says what it should at the top level, one for \
             each environment; others do no harm",
        ),
        Concern::Identity => (
            "identities that Nexus cannot read",
            "repair the field that is named, or delete the document; until then, this person is \
             told that the store cannot be read",
        ),
        Concern::Message => (
            "messages that Nexus cannot read",
            "repair the field that is named, or delete the message; until then, its owner's \
             history cannot be shown",
        ),
    }
}
