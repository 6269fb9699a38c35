//! What a new template would change, in words.

use nexus_core::plan::{DocumentChange, FieldChange, People, Plan};
use serde_json::Value;

use crate::output::{Output, printable};

/// Prints a plan.
pub(in crate::commands) fn print(output: &Output, plan: &Plan) {
    let heading = |text: &str| output.line(output.paint.bold(text));
    if !plan.document.is_empty() {
        heading("The document:");
    }
    for change in &plan.document {
        tell(output, &place(change));
    }
    if !plan.policy.is_empty() {
        heading("Rules for people:");
        for change in &plan.policy {
            tell(output, &change.to_string());
        }
    }
    match &plan.people {
        Some(people) => {
            heading(&format!(
                "People: {} of {} get another profile",
                people.changed, people.read
            ));
            changed(output, people);
            refused(output, people);
        }
        None => output.note(
            "What changes for people cannot be told: there is no usable template to compare with.",
        ),
    }
}

fn changed(output: &Output, people: &People) {
    for (field, count) in &people.changed_fields {
        tell(output, &format!("{field}: {count}"));
    }
    for example in &people.changed_examples {
        let changes: Vec<_> = example.changes.iter().map(field).collect();
        tell(
            output,
            &format!("{}: {}", example.public_key, changes.join("; ")),
        );
    }
    more(output, people.changed, people.changed_examples.len());
}

fn refused(output: &Output, people: &People) {
    if people.refused == 0 {
        return;
    }
    output.line(output.paint.bold(&format!(
        "Stored by people, and without effect from then on: {}",
        people.refused
    )));
    let fields: Vec<_> = people.refused_fields.keys().map(String::as_str).collect();
    let whose = match people.refused_people {
        1 => "1 person".to_owned(),
        count => format!("{count} people"),
    };
    // A server of before does not count them.
    if people.refused_people > 0 {
        let fields = fields.join(", ");
        tell(
            output,
            &format!("overrides of {whose} would have no effect ({fields})"),
        );
    }
    for example in &people.refused_examples {
        let value = example.value.as_ref().map(|value| format!(" {value}"));
        let value = value.unwrap_or_default();
        tell(
            output,
            &format!(
                "{}: {}{value}: {}",
                example.public_key, example.field, example.reason
            ),
        );
    }
    more(output, people.refused, people.refused_examples.len());
}

fn more(output: &Output, all: u64, shown: usize) {
    let rest = all.saturating_sub(shown as u64);
    if rest > 0 {
        tell(output, &format!("and {rest} more"));
    }
}

fn tell(output: &Output, text: &str) {
    output.line(format_args!("  {}", printable(text)));
}

/// One place of the document.
pub(super) fn place(change: &DocumentChange) -> String {
    let what = becomes(change.before.as_ref(), change.after.as_ref());
    format!("{}: {what}", change.pointer)
}

fn field(change: &FieldChange) -> String {
    let what = becomes(change.before.as_ref(), change.after.as_ref());
    format!("{}: {what}", change.field)
}

fn becomes(before: Option<&Value>, after: Option<&Value>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => format!("{before} becomes {after}"),
        (Some(before), None) => format!("{before} is removed"),
        (None, Some(after)) => format!("{after} is new"),
        (None, None) => "nothing".to_owned(),
    }
}
