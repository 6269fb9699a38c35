//! Templates for tests.

use nexus_core::egress::Secrets;
use nexus_core::genesis::{Checked, GenesisDoc, Problems};
use nexus_core::{Genesis, Overrides};
use serde_json::{Value, json};

/// The document of the specification's appendix, with three models and bounds.
pub(crate) fn document() -> Value {
    json!({
        "environment": "development",
        "system": { "log_level": "INFO", "max_tool_iterations": 5, "app_name": "YX Nexus" },
        "security": { "signature_required_commands": ["identity", "config.set", "prompt.set"] },
        "llm": {
            "providers": {
                "google": { "api_key": "${GEMINI_API_KEY}", "base_url": "https://generativelanguage.googleapis.com/v1beta" },
                "deepseek": { "api_key": "${DEEPSEEK_API_KEY}", "base_url": "https://api.deepseek.com" },
                "builtin": { "protocol": "builtin" }
            },
            "catalog": {
                "gemini-2.5-flash": {
                    "provider": "google", "id": "gemini-2.5-flash", "aliases": ["Gemini-2.5-Flash"],
                    "default_params": { "temperature": 0.7, "max_tokens": 8192 }
                },
                "deepseek-chat": {
                    "provider": "deepseek", "id": "deepseek-v3", "aliases": ["DeepSeek"],
                    "default_params": { "temperature": 1.3 }
                },
                "echo": { "provider": "builtin", "id": "echo" }
            }
        },
        "tools": { "mcp": {
            "files": { "stdio": "files" },
            "web": { "url": "https://web.test/mcp", "api_key": null, "timeout_seconds": 5 }
        } },
        "user_defaults": {
            "config": { "model": "gemini-2.5-flash", "temperature": 0.8, "max_tokens": 4096, "history_context_size": 20 },
            "prompts": {
                "persona": { "content": "You are Nexus.", "editable": true, "order": 1 },
                "system": { "content": "Be honest.", "editable": false, "order": 2 },
                "tools": { "content": "Use tools.", "editable": false, "order": 3 }
            }
        },
        "ui": {
            "editable_fields": ["config.model", "config.temperature", "config.max_tokens", "prompts.persona"],
            "field_options": {
                "config.temperature": { "type": "slider", "min": 0.0, "max": 1.5, "step": 0.1 },
                "config.max_tokens": { "type": "slider", "min": 256, "max": 8192 }
            }
        }
    })
}

/// Two keys, of which one is set, and an address.
pub(crate) fn secrets() -> Secrets {
    let set = |name: &str| (name == "GEMINI_API_KEY").then(|| "secret-of-gemini".to_owned());
    let site = |text: &str| [text.parse().unwrap()];
    Secrets::new(set)
        .pin("GEMINI_API_KEY", site("generativelanguage.googleapis.com"))
        .pin("DEEPSEEK_API_KEY", site("api.deepseek.com"))
        .address("LOCAL_URL")
}

pub(crate) fn check(document: Value) -> Result<Checked, Problems> {
    Genesis::check(&GenesisDoc::from_value(document).unwrap(), &secrets())
}

pub(crate) fn genesis(document: Value) -> Genesis {
    check(document)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .genesis
}

pub(crate) fn overrides(config: &Value, prompts: &Value) -> Overrides {
    Overrides::from_stored(config.as_object().unwrap(), prompts.as_object().unwrap())
}
