//! The template as YAML, for showing and for comparing. What is printed can be read in again.

use nexus_core::genesis::GenesisDoc;
use serde_json::Value;

use crate::failure::Failure;

/// The document as YAML. A key that somebody wrote in clear is left out.
pub(crate) fn to_yaml(doc: &GenesisDoc) -> Result<String, Failure> {
    let document = Value::Object(without_keys(doc).as_map().clone());
    serde_saphyr::to_string(&document)
        .map_err(|error| Failure::new(format!("the template cannot be written as YAML: {error}")))
}

/// The document without keys: only names of variables are left.
pub(crate) fn without_keys(doc: &GenesisDoc) -> GenesisDoc {
    let mut doc = doc.clone();
    let providers = doc
        .as_map_mut()
        .get_mut("llm")
        .and_then(|llm| llm.get_mut("providers"))
        .and_then(Value::as_object_mut);
    for provider in providers.into_iter().flat_map(|map| map.values_mut()) {
        match provider.get_mut("api_key") {
            Some(Value::String(key)) if !key.is_empty() && !key.starts_with("${") => {
                "(a key in clear, not shown)".clone_into(key);
            }
            _ => {}
        }
    }
    doc
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_can_be_read_again() {
        let document = json!({
            "llm": {"providers": {"google": {"api_key": "${GEMINI_API_KEY}"}}},
            "user_defaults": {"prompts": {"persona": {
                "content": "  indented: \"yes\"\n\n# not a comment\n\ttab\n- 我是曦",
                "order": 1,
            }}},
            "odd": ["on", "0x10", "1e3", "null", "", " x ", "a: b", 0.8, true, {}],
        });
        let doc = GenesisDoc::from_value(document.clone()).unwrap();
        let read: Value = serde_saphyr::from_str(&to_yaml(&doc).unwrap()).unwrap();
        assert_eq!(read, document);
    }

    #[test]
    fn a_key_in_clear_is_not_shown() {
        let document = json!({"llm": {"providers": {"google": {"api_key": "sk-secret"}}}});
        let doc = GenesisDoc::from_value(document).unwrap();
        assert!(!to_yaml(&doc).unwrap().contains("sk-secret"));
    }
}
