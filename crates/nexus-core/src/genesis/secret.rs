//! What is not shown of a document: keys and passwords that somebody wrote in clear.

use serde_json::{Map, Value};

use super::GenesisDoc;

/// What stands in the place of a secret when a document is shown.
pub const HIDDEN: &str = "(a key in clear, not shown)";

impl GenesisDoc {
    /// The document for showing: names of variables are left, secrets are not.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mut shown = self.clone();
        for (name, value) in shown.as_map_mut() {
            hide(name, value);
        }
        shown
    }

    /// Puts the secrets of `stored` back where this document, made from one that was shown, has
    /// [`HIDDEN`] in their place. What `stored` does not have stays, and a check complains of it.
    /// So does the key of a provider that has moved: who may not see a key may not send it
    /// elsewhere.
    pub fn restore_secrets(&mut self, stored: &Self) {
        for (name, value) in self.as_map_mut() {
            if let Some(stored) = stored.as_map().get(name) {
                restore(value, stored);
            }
        }
    }
}

/// A value for showing.
pub(crate) fn shown(name: &str, value: &Value) -> Value {
    let mut shown = value.clone();
    hide(name, &mut shown);
    shown
}

fn hide(name: &str, value: &mut Value) {
    match value {
        Value::String(text) if is_secret(name, text) => HIDDEN.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(name, item)),
        Value::Object(map) => map.iter_mut().for_each(|(name, value)| hide(name, value)),
        _ => {}
    }
}

fn restore(value: &mut Value, stored: &Value) {
    match (value, stored) {
        (Value::String(text), Value::String(secret)) if text == HIDDEN => text.clone_from(secret),
        (Value::Array(items), Value::Array(stored)) => {
            let pairs = items.iter_mut().zip(stored);
            pairs.for_each(|(item, stored)| restore(item, stored));
        }
        (Value::Object(map), Value::Object(stored)) => {
            if has_moved(map, stored) {
                return;
            }
            for (name, value) in map {
                if let Some(stored) = stored.get(name) {
                    restore(value, stored);
                }
            }
        }
        _ => {}
    }
}

/// Whether a row leads to another server than before.
fn has_moved(row: &Map<String, Value>, stored: &Map<String, Value>) -> bool {
    let address = row.get("base_url");
    address != stored.get("base_url") && address.and_then(Value::as_str) != Some(HIDDEN)
}

/// Goes by names, and by addresses with a password in them. `${NAME}` only names a secret.
fn is_secret(name: &str, text: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_named_so = ["key", "secret", "password", "token"]
        .iter()
        .any(|word| name.ends_with(word));
    let names_a_variable = text.starts_with("${") && text.ends_with('}');
    !text.trim().is_empty() && !names_a_variable && (is_named_so || has_password(text))
}

fn has_password(text: &str) -> bool {
    let rest = text.split_once("://").map(|(_, rest)| rest);
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|it| it.contains('@')) && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn doc(key: &str, uri: &str) -> GenesisDoc {
        GenesisDoc::from_value(json!({
            "llm": {"providers": {
                "a": {"api_key": key, "base_url": "https://a.test/v1"},
                "b": {"api_key": "${B_KEY}"},
                "c": {"api_key": ""},
            }},
            "database": {"mongo_uri": uri},
            "user_defaults": {
                "config": {"max_tokens": 100},
                "prompts": {"persona": {"content": "Mail me@home, see https://a.test"}},
            },
        }))
        .unwrap()
    }

    #[test]
    fn keys_and_passwords_are_not_shown_and_everything_else_is() {
        let stored = doc("sk-1", "mongodb://me:pw@h1:27017,h2:27017/db");
        assert_eq!(stored.without_secrets(), doc(HIDDEN, HIDDEN));
        let harmless = doc("${A_KEY}", "mongodb://h1:27017/db?x=a@b");
        assert_eq!(harmless.without_secrets(), harmless);
    }

    #[test]
    fn a_key_that_is_not_shown_does_not_move_to_another_server() {
        let stored = doc("sk-1", "mongodb://h/db");
        let mut edited = stored.without_secrets();
        let address = "/providers/a/base_url";
        let llm = edited.as_map_mut().get_mut("llm").unwrap();
        *llm.pointer_mut(address).unwrap() = json!("https://evil.test/v1");
        edited.restore_secrets(&stored);
        let llm = &edited.as_map()["llm"];
        assert_eq!(llm.pointer("/providers/a/api_key"), Some(&json!(HIDDEN)));
    }

    #[test]
    fn what_was_not_shown_is_put_back() {
        let stored = doc("sk-1", "mongodb://me:pw@h/db");
        let mut edited = stored.without_secrets();
        edited.restore_secrets(&stored);
        assert_eq!(edited, stored);
        let mut replaced = doc("sk-2", HIDDEN);
        replaced.restore_secrets(&stored);
        assert_eq!(replaced, doc("sk-2", "mongodb://me:pw@h/db"));
    }
}
