//! A profile as a table: what is in force, who set it, what it hides, what applied.

use std::fmt::Write as _;

use nexus_api::profile::{Bounds, ProfileField, Step};
use nexus_core::{EffectiveProfile, Field};
use serde_json::{Value, json};

use crate::output::{Output, columns, printable};

/// How much of a text fits into a table, in characters.
const SHORT: usize = 40;

/// Prints a profile, or one field of it, and its notices.
pub(crate) fn explain(output: &Output, profile: &EffectiveProfile, only: Option<&Field>) {
    let fields = fields(profile, only);
    let notices: Vec<_> = profile
        .notices
        .iter()
        .map(nexus_core::profile::Notice::to_text)
        .filter(|notice| only.is_none_or(|field| field.to_string() == notice.field))
        .collect();
    if output.json {
        output.data(&json!({
            "template_version": profile.template_version,
            "fields": fields,
            "notices": notices,
        }));
        return;
    }
    let heading = ["FIELD", "VALUE", "SET BY", "HIDES", "LOCK OR LIMITS"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(fields.iter().map(row));
    for (place, line) in columns(&rows).iter().enumerate() {
        output.line(match place {
            0 => output.paint.bold(line),
            _ => line.clone(),
        });
    }
    for notice in notices {
        output.line(format_args!(
            "{} {}",
            output.paint.yellow("notice:"),
            notice.message
        ));
    }
}

/// The fields to show, in the order of the profile.
pub(crate) fn fields(profile: &EffectiveProfile, only: Option<&Field>) -> Vec<ProfileField> {
    let mut fields = profile.explain();
    let name = only.map(ToString::to_string);
    fields.retain(|it| name.as_ref().is_none_or(|name| *name == it.field));
    fields
}

fn row(explanation: &ProfileField) -> Vec<String> {
    let hides = explanation.shadowed.iter();
    let hides: Vec<_> = hides
        .map(|hidden| format!("{} ({})", short(&hidden.value), hidden.layer.as_str()))
        .collect();
    let limits = match (&explanation.lock, &explanation.bounds) {
        (Some(lock), _) => format!("locked: {}", lock.reason()),
        (None, Some(bounds)) => limits(bounds),
        (None, None) => String::new(),
    };
    vec![
        explanation.field.clone(),
        short(&explanation.value),
        explanation.layer.as_str().to_owned(),
        hides.join(", "),
        limits,
    ]
}

/// A value in a few words.
pub(crate) fn short(value: &Value) -> String {
    match value {
        Value::Null => "left to the provider".to_owned(),
        Value::String(text) if text.is_empty() => "(removed)".to_owned(),
        Value::String(text) => {
            let text = printable(text);
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            match line.char_indices().nth(SHORT) {
                Some((cut, _)) => format!("{}…", line[..cut].trim_end()),
                None => line,
            }
        }
        Value::Array(names) if names.is_empty() => "none".to_owned(),
        Value::Array(names) => {
            let names: Vec<_> = names.iter().map(short).collect();
            names.join(", ")
        }
        other => other.to_string(),
    }
}

/// Limits in words; none: nothing.
pub(crate) fn limits(bounds: &Bounds) -> String {
    if let Some(models) = &bounds.models {
        return format!("one of {}", models.join(", "));
    }
    if let Some(tools) = &bounds.tools {
        return format!("among {}", tools.join(", "));
    }
    if let Some(numbers) = &bounds.numbers {
        let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        return format!("one of {}", numbers.join(", "));
    }
    if let Some(texts) = &bounds.texts {
        let texts: Vec<_> = texts
            .iter()
            .map(|text| short(&Value::from(text.as_str())))
            .collect();
        return format!("one of {}", texts.join(", "));
    }
    if let Some(max) = bounds.max_length {
        return format!("at most {max} characters");
    }
    let mut words = match (bounds.min, bounds.max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => String::new(),
    };
    // A step of 1 only says that the number is whole, which nobody doubts.
    let told = |step: &&Step| (step.size - 1.0).abs() > f64::EPSILON;
    for step in bounds.steps.iter().filter(told) {
        // Writing to a string does not fail.
        _ = write!(words, ", in steps of {}", step.size);
    }
    words
}
