//! What came of a command, as a table for people or as JSON. The command was executed here or at a
//! server, so this reads what a server sends.

use nexus_api::profile::{Bounds, Lock};
use serde::Deserialize as _;
use serde_json::Value;

use crate::output::{Output, columns, printable};
use crate::view;

/// A heading, and where in a row its cell is (JSON Pointer).
type Column = (&'static str, &'static str);

/// Prints what came of a command: `{"command", "message", "data"}`.
pub(crate) fn print(output: &Output, outcome: &Value) {
    if output.json {
        output.data(outcome);
        return;
    }
    let (command, data) = (
        outcome["command"].as_str().unwrap_or_default(),
        &outcome["data"],
    );
    let message = printable(outcome["message"].as_str().unwrap_or_default());
    match (command, data) {
        ("history", Value::Array(messages)) => history(output, messages),
        ("explain", Value::Array(rows)) => {
            let rows = rows.iter().map(explained).collect::<Vec<_>>();
            table(output, EXPLAINED, &rows);
        }
        (_, Value::Array(rows)) => table(output, columns_of(command), rows),
        ("key.create", Value::Object(made)) => {
            // The secret alone is data: a script takes it from here.
            output.line(printable(made["token"].as_str().unwrap_or_default()));
            output.note(&message);
            let key = &made["key"];
            let facts = [("id", "/id"), ("may", "/scopes"), ("until", "/expires_at")];
            for (name, place) in facts {
                let value = key.pointer(place).map(cell).unwrap_or_default();
                output.note(format_args!("  {name:<6} {value}"));
            }
            return;
        }
        _ => {
            output.line(&message);
            return;
        }
    }
    output.note(message);
}

fn columns_of(command: &str) -> &'static [Column] {
    match command {
        "help" => &[
            ("COMMAND", "/usage"),
            ("SIGNED", "/needs_signature"),
            ("WHAT IT DOES", "/description"),
        ],
        "models" => &[
            ("MODEL", "/name"),
            ("PROVIDER", "/provider"),
            ("OTHER NAMES", "/aliases"),
            ("REMARK", "/unavailable"),
        ],
        "key.list" => &[
            ("ID", "/id"),
            ("NAME", "/name"),
            ("MAY", "/scopes"),
            ("MODELS", "/models"),
            ("UNTIL", "/expires_at"),
            ("LAST USED", "/last_used_at"),
            ("REVOKED", "/revoked_at"),
        ],
        "session.list" => &[
            ("ID", "/id"),
            ("CLIENT", "/client"),
            ("SINCE", "/created_at"),
            ("LAST SEEN", "/last_seen_at"),
            ("UNTIL", "/expires_at"),
            ("THIS ONE", "/current"),
        ],
        // config.get, prompt.get
        _ => &[
            ("FIELD", "/field"),
            ("VALUE", "/value"),
            ("SET BY", "/layer"),
        ],
    }
}

const EXPLAINED: &[Column] = &[
    ("FIELD", "/field"),
    ("VALUE", "/value"),
    ("SET BY", "/layer"),
    ("HIDES", "/hides"),
    ("LOCK OR LIMITS", "/limits"),
];

/// A field with what it hides, and with its lock or its limits, in words.
fn explained(row: &Value) -> Value {
    let mut row = row.clone();
    let shadowed = row["shadowed"].as_array().into_iter().flatten();
    let hides: Vec<_> = shadowed
        .map(|hidden| {
            let layer = hidden["layer"].as_str().unwrap_or_default();
            format!("{} ({layer})", view::short(&hidden["value"]))
        })
        .collect();
    let lock = Option::<Lock>::deserialize(&row["lock"]).ok().flatten();
    let limits = match (lock, row["lock"].as_str()) {
        (Some(lock), _) => format!("locked: {}", lock.reason()),
        // One of a newer server.
        (None, Some(lock)) => format!("locked: {lock}"),
        (None, None) => match Bounds::deserialize(&row["bounds"]) {
            Ok(bounds) => view::limits(&bounds),
            Err(_) => String::new(),
        },
    };
    row["value"] = view::short(&row["value"]).into();
    row["hides"] = hides.join(", ").into();
    row["limits"] = limits.into();
    row
}

fn table(output: &Output, shown: &[Column], rows: &[Value]) {
    if rows.is_empty() {
        return;
    }
    let heading: Vec<_> = shown.iter().map(|(name, _)| (*name).to_owned()).collect();
    let row = |row: &Value| {
        let cells = shown.iter();
        let cells = cells.map(|(_, place)| row.pointer(place).map(cell).unwrap_or_default());
        cells.collect::<Vec<_>>()
    };
    let table: Vec<_> = std::iter::once(heading)
        .chain(rows.iter().map(row))
        .collect();
    for (place, line) in columns(&table).iter().enumerate() {
        output.line(match place {
            0 => output.paint.bold(line),
            _ => line.clone(),
        });
    }
}

/// Oldest first, as people read.
fn history(output: &Output, messages: &[Value]) {
    for message in messages.iter().rev() {
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        let heading = format!("{}, {}", text("role"), moment(text("timestamp")));
        output.line(output.paint.dim(&printable(&heading)));
        output.line(printable(text("content")));
    }
}

/// A value on one line.
fn cell(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::String(text) if is_moment(text) => moment(text),
        Value::String(text) => {
            let words: Vec<_> = text.split_whitespace().collect();
            printable(&words.join(" ")).into_owned()
        }
        other => other.to_string(),
    }
}

fn is_moment(text: &str) -> bool {
    chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

/// A moment to the minute.
fn moment(text: &str) -> String {
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(moment) => moment.format("%Y-%m-%d %H:%M").to_string(),
        Err(_) => text.to_owned(),
    }
}
