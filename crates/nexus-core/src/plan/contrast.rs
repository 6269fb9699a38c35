//! Two values side by side, in a few words, so that one sees where they differ.

use serde_json::Value;

/// The longest text that is shown whole, in characters.
const LONGEST: usize = 80;

/// How much of what is the same is shown before the first difference, in characters.
const LEAD: usize = 16;

/// A value in a few words.
pub(super) fn short(value: &Value) -> Value {
    match text(value) {
        Some(text) if text.chars().count() > LONGEST => window(&text, 0).into(),
        _ => value.clone(),
    }
}

/// Both values in a few words; long texts are cut around the first difference.
pub(super) fn contrast(before: &Value, after: &Value) -> (Value, Value) {
    let (Some(old), Some(new)) = (text(before), text(after)) else {
        return (short(before), short(after));
    };
    if old.chars().count().max(new.chars().count()) <= LONGEST {
        return (before.clone(), after.clone());
    }
    let pairs = old.chars().zip(new.chars());
    let same = pairs.take_while(|(old, new)| old == new).count();
    let start = same.saturating_sub(LEAD);
    (window(&old, start).into(), window(&new, start).into())
}

/// What can be cut: a text as it is, a list or an object as JSON.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => Some(value.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn window(text: &str, start: usize) -> String {
    let mut rest = text.chars().skip(start);
    let mut shown = String::from(if start > 0 { "…" } else { "" });
    shown.extend(rest.by_ref().take(LONGEST));
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_texts_are_cut_around_the_first_difference() {
        let (same, tail) = ("x".repeat(500), "y".repeat(500));
        let (before, after) = contrast(
            &json!(format!("{same}OLD{tail}")),
            &json!(format!("{same}NEW{tail}")),
        );
        assert!(
            before
                .as_str()
                .unwrap()
                .starts_with("…xxxxxxxxxxxxxxxxOLDyyy")
        );
        assert!(
            after
                .as_str()
                .unwrap()
                .starts_with("…xxxxxxxxxxxxxxxxNEWyyy")
        );
        assert_eq!(after.as_str().unwrap().chars().count(), LONGEST + 2);
        assert_eq!(contrast(&json!("a"), &json!(1)), (json!("a"), json!(1)));
    }
}
