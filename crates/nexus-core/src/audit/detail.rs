//! What a recorded change was about. The types leave no room for contents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AuditHash;

/// The fields that were changed, by name.
pub type Details = BTreeMap<String, Change>;

/// A field before and after, as hashes: whoever has the value can show that it is the one, and
/// nobody can read it here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The hash of the value before. `None`: there was none.
    pub before: Option<AuditHash>,
    /// The hash of the value after. `None`: there is none any more.
    pub after: Option<AuditHash>,
}

impl Change {
    /// The change from one value to another.
    #[must_use]
    pub fn new(before: Option<&Value>, after: Option<&Value>) -> Self {
        Self {
            before: before.map(AuditHash::of),
            after: after.map(AuditHash::of),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_have_equal_hashes_however_they_are_written() {
        let one: Value = serde_json::from_str(r#"{"b": 1.0, "a": "\u00e9"}"#).unwrap();
        let two = json!({"a": "é", "b": 1});
        let change = Change::new(Some(&one), Some(&two));
        assert_eq!(change.before, change.after);
        let other = Change::new(None, Some(&json!({"a": "e", "b": 1})));
        assert_ne!(change.after, other.after);
        assert_eq!(other.before, None);
    }

    #[test]
    fn the_hash_is_of_the_form_that_rfc_8785_gives() {
        // The example of section 3.2.2, and the form that section 3.2.3 gives for it.
        let value: Value = serde_json::from_str(
            r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                "literals": [null, true, false]}"#,
        )
        .unwrap();
        assert_eq!(
            serde_jcs::to_string(&value).unwrap(),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
        // Keys are ordered by their UTF-16 units, in which an emoji comes before U+FB33.
        let keys = json!({"\u{fb33}": 1, "\u{1f600}": 2});
        let text = serde_jcs::to_string(&keys).unwrap();
        assert_eq!(text, "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }
}
