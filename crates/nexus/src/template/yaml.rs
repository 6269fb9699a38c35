//! The template as YAML, for showing and for comparing. What is printed can be read in again.

use nexus_core::genesis::GenesisDoc;
use serde_json::Value;

use crate::failure::Failure;

/// The document as YAML. A key that somebody wrote in clear is left out.
pub(crate) fn to_yaml(doc: &GenesisDoc) -> Result<String, Failure> {
    let document = Value::Object(doc.without_secrets().as_map().clone());
    serde_saphyr::to_string(&document)
        .map_err(|error| Failure::new(format!("the template cannot be written as YAML: {error}")))
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
