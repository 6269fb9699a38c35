//! A template of the original Python NEXUS as the original used it, and one that goes on like that
//! under the rules of Nexus.
//!
//! The original merged every override, whatever `ui.editable_fields`, `editable` and
//! `ui.field_options` said, and kept keys in the document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use url::Url;

use super::GenesisDoc;
use crate::{ConfigField, Field, PromptName};

/// A key that stands in the document, where it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct ClearKey {
    /// The key of its row in `llm.providers`.
    pub provider: String,
    /// The server that it is for: `HOST` or `HOST:PORT`.
    pub site: String,
    /// The key itself. Never shown.
    pub key: String,
}

impl std::fmt::Debug for ClearKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClearKey")
            .field("provider", &self.provider)
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

impl GenesisDoc {
    /// The template as the original used it: every field is open and nothing is bounded. Prompts
    /// that people changed and that it does not have are empty blocks.
    #[must_use]
    pub fn as_the_original_used_it(&self, changed: &BTreeSet<Field>) -> Self {
        let mut opened = self.clone();
        opened.add_blocks(changed);
        let mut editable: Vec<_> = ConfigField::ALL.map(|it| it.to_string()).to_vec();
        for (name, block) in opened.prompts_mut().into_iter().flatten() {
            editable.push(format!("prompts.{name}"));
            if let Value::String(content) = block {
                *block = json!({ "content": content });
            }
            if let Value::Object(block) = block {
                block.insert("editable".to_owned(), true.into());
            }
        }
        let ui = json!({ "editable_fields": editable, "field_options": {} });
        opened.as_map_mut().insert("ui".to_owned(), ui);
        opened
    }

    /// The template with what people changed in `ui.editable_fields`, and with an empty block for
    /// each prompt that they changed and that it does not have. A prompt that does not say
    /// `editable: true` stays locked: that is for a person to decide.
    #[must_use]
    pub fn opened_for(&self, changed: &BTreeSet<Field>) -> Self {
        let mut opened = self.clone();
        opened.add_blocks(changed);
        let may_open = |field: &&Field| match field {
            Field::Config(_) => true,
            Field::Prompt(name) => {
                let prompts = opened.as_map().get("user_defaults");
                let prompts = prompts.and_then(|defaults| defaults.get("prompts"));
                let block = prompts.and_then(|prompts| prompts.get(name.as_str()));
                block.and_then(|block| block.get("editable")) == Some(&Value::Bool(true))
            }
        };
        let open: Vec<_> = changed.iter().filter(may_open).cloned().collect();
        if let Some(ui) = opened.section("ui")
            && let Some(editable) = list(ui, "editable_fields")
        {
            for field in open {
                let is_there = |path: &Value| {
                    path.as_str().and_then(|path| path.parse().ok()) == Some(field.clone())
                };
                if !editable.iter().any(is_there) {
                    editable.push(field.to_string().into());
                }
            }
        }
        opened
    }

    /// The keys of providers that stand in the document, each with the server that it is for. One
    /// without a usable `base_url` is left out: nothing says where it may go.
    #[must_use]
    pub fn clear_keys(&self) -> Vec<ClearKey> {
        let providers = self
            .as_map()
            .get("llm")
            .and_then(|llm| llm.get("providers"));
        let rows = providers.and_then(Value::as_object).into_iter().flatten();
        let key = |(provider, row): (&String, &Value)| {
            let key = row.get("api_key")?.as_str()?.trim();
            let url = Url::parse(row.get("base_url")?.as_str()?).ok()?;
            let host = url.host_str()?;
            let site = url
                .port()
                .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            (!key.is_empty() && !key.contains("${")).then(|| ClearKey {
                provider: provider.clone(),
                site,
                key: key.to_owned(),
            })
        };
        rows.filter_map(key).collect()
    }

    /// Lets a provider name the variable that holds its key.
    pub fn name_key(&mut self, provider: &str, variable: &str) {
        let llm = self.as_map_mut().get_mut("llm");
        let providers = llm.and_then(|llm| llm.get_mut("providers"));
        let row = providers.and_then(|providers| providers.get_mut(provider));
        if let Some(Value::Object(row)) = row {
            row.insert("api_key".to_owned(), format!("${{{variable}}}").into());
        }
    }

    /// An empty block, at the end, for each prompt that is changed and not there.
    fn add_blocks(&mut self, changed: &BTreeSet<Field>) {
        let Some(prompts) = self.prompts_mut() else {
            return;
        };
        let orders = prompts
            .values()
            .filter_map(|block| block.get("order")?.as_i64());
        let mut last = orders.max().unwrap_or(0);
        for name in changed.iter().filter_map(prompt) {
            if !prompts.contains_key(name.as_str()) {
                last = last.saturating_add(1);
                let block = json!({ "content": "", "editable": true, "order": last });
                prompts.insert(name.as_str().to_owned(), block);
            }
        }
    }

    /// `user_defaults.prompts`, made if it is missing.
    fn prompts_mut(&mut self) -> Option<&mut Map<String, Value>> {
        object(self.section("user_defaults")?, "prompts")
    }

    /// An object at the top level, made if it is missing.
    fn section(&mut self, name: &str) -> Option<&mut Map<String, Value>> {
        object(self.as_map_mut(), name)
    }
}

fn prompt(field: &Field) -> Option<&PromptName> {
    match field {
        Field::Prompt(name) => Some(name),
        Field::Config(_) => None,
    }
}

/// An object, made if it is missing. `None`: something else is there, and a check complains of it.
fn object<'a>(map: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let entry = map.entry(name).or_insert_with(|| json!({}));
    entry.as_object_mut()
}

fn list<'a>(map: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Vec<Value>> {
    let entry = map.entry(name).or_insert_with(|| json!([]));
    entry.as_array_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc() -> GenesisDoc {
        GenesisDoc::from_value(json!({
            "llm": {"providers": {
                "p": {"api_key": " sk-x ", "base_url": "http://127.0.0.1:9900/v1"},
                "q": {"api_key": "${GEMINI_API_KEY}", "base_url": "https://q.test"},
                "r": {"api_key": "", "base_url": "https://r.test"},
                "s": {"api_key": "sk-s", "base_url": "https://s.test/v1"},
                "t": {"api_key": "sk-t"},
            }},
            "user_defaults": {"prompts": {
                "persona": {"content": "Hi", "editable": true, "order": 1},
                "system": {"content": "Be honest", "editable": false, "order": 7},
                "tools": "Use tools",
            }},
            "ui": {"editable_fields": ["model"], "field_options": {"config.temperature": {"max": 1}}},
        }))
        .unwrap()
    }

    fn fields(paths: &[&str]) -> BTreeSet<Field> {
        paths.iter().map(|path| path.parse().unwrap()).collect()
    }

    #[test]
    fn what_people_changed_is_opened_and_a_locked_prompt_is_not() {
        let changed = fields(&[
            "config.model",
            "config.temperature",
            "prompts.persona",
            "prompts.system",
            "prompts.tools",
            "prompts.friends_profile",
        ]);
        let opened = doc().opened_for(&changed);
        assert_eq!(
            opened.as_map()["ui"]["editable_fields"],
            json!([
                "model",
                "config.temperature",
                "prompts.friends_profile",
                "prompts.persona"
            ])
        );
        let prompts = &opened.as_map()["user_defaults"]["prompts"];
        assert_eq!(
            prompts["friends_profile"],
            json!({"content": "", "editable": true, "order": 8})
        );
        assert_eq!(prompts["system"]["editable"], false);
        assert_eq!(opened.opened_for(&changed), opened, "once is enough");
        assert_eq!(
            doc().opened_for(&BTreeSet::new()),
            doc(),
            "nothing changed, nothing opened"
        );
    }

    #[test]
    fn the_original_had_no_locks_and_no_bounds() {
        let used = doc().as_the_original_used_it(&fields(&["prompts.friends_profile"]));
        let (map, ui) = (used.as_map(), &used.as_map()["ui"]);
        assert_eq!(ui["editable_fields"].as_array().unwrap().len(), 5 + 4);
        assert_eq!(ui["field_options"], json!({}));
        for (name, block) in map["user_defaults"]["prompts"].as_object().unwrap() {
            assert_eq!(block["editable"], true, "{name}");
        }
    }

    #[test]
    fn a_key_leaves_the_document_and_is_never_shown() {
        let mut doc = doc();
        let keys = doc.clear_keys();
        let found: Vec<_> = keys
            .iter()
            .map(|it| (&*it.provider, &*it.site, &*it.key))
            .collect();
        assert_eq!(
            found,
            [("p", "127.0.0.1:9900", "sk-x"), ("s", "s.test", "sk-s")]
        );
        assert!(!format!("{keys:?}").contains("sk-"));
        for key in &keys {
            doc.name_key(&key.provider, "NEXUS_KEY");
        }
        assert_eq!(doc.clear_keys(), []);
        assert_eq!(
            doc.as_map()["llm"]["providers"]["p"]["api_key"],
            "${NEXUS_KEY}"
        );
    }

    #[test]
    fn a_document_of_any_shape_is_taken() {
        for odd in [
            json!({}),
            json!({"ui": 1, "llm": [], "user_defaults": {"prompts": "x"}}),
        ] {
            let doc = GenesisDoc::from_value(odd).unwrap();
            let changed = fields(&["prompts.persona", "config.model"]);
            _ = (
                doc.opened_for(&changed),
                doc.as_the_original_used_it(&changed),
                doc.clear_keys(),
            );
        }
    }
}
