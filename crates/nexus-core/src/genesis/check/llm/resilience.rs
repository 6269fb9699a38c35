//! What a row says about bad days: who stands in, and how long to wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::catalog::{MAX_FALLBACKS, Timeouts};
use crate::genesis::node::Node;
use crate::overrides::whole;

/// No limit is longer, in seconds.
const LONGEST: u32 = 3600;

/// `fallbacks` of the catalog row `name`, as catalog keys. `owners` leads from every key and alias to
/// its key. The list is the whole chain, so a circle cannot be written.
pub(super) fn fallbacks(
    name: &str,
    node: &Node<'_>,
    owners: &HashMap<&str, &str>,
) -> Vec<Arc<str>> {
    let elements = node.optional_elements("a list of names of other models of llm.catalog");
    if elements.len() > MAX_FALLBACKS {
        node.problem(format!("at most {MAX_FALLBACKS} models"));
    }
    let mut found = Vec::<Arc<str>>::new();
    for element in elements {
        let Some(asked) = element.text("the name of another model of llm.catalog") else {
            continue;
        };
        match owners.get(asked) {
            None => element.problem("a key or an alias of llm.catalog"),
            Some(owner) if *owner == name => {
                element.problem("another model than the one that it stands in for");
            }
            Some(owner) if found.iter().any(|known| **known == **owner) => {
                element.problem("a model that the list does not have already");
            }
            Some(owner) => found.push((*owner).into()),
        }
    }
    found
}

/// `timeouts` of a provider's row, in whole seconds.
pub(super) fn timeouts(node: &Node<'_>) -> Timeouts {
    node.warn_unknown(&["first_token", "idle", "total"]);
    node.optional_members("an object with first_token, idle and total, in seconds");
    let seconds = |value: &Value| {
        let seconds = whole(value).filter(|seconds| (1..=LONGEST).contains(seconds));
        seconds.map(|seconds| Duration::from_secs(seconds.into()))
    };
    let expected = format!("a whole number of seconds from 1 to {LONGEST}");
    let limit = |key| node.get(key).optional(seconds, &expected);
    Timeouts {
        first_token: limit("first_token"),
        idle: limit("idle"),
        total: limit("total"),
    }
}

/// Whether a model most likely thinks before it answers. For rows that do not say so with
/// `reasoning`.
pub(super) fn reasons(id: &str) -> bool {
    const PARTS: [&str; 9] = [
        "reason",
        "think",
        "-r1",
        "r1-",
        "qwq",
        "gemini-2.5",
        "gemini-3",
        "gpt-5",
        "gpt-oss",
    ];
    const BEGINNINGS: [&str; 3] = ["o1", "o3", "o4"];
    let id = id.to_ascii_lowercase();
    // OpenRouter and others write the vendor before the id.
    let own = id.rsplit('/').next().unwrap_or(&id);
    PARTS.iter().any(|part| own.contains(part))
        || BEGINNINGS.iter().any(|start| {
            own.strip_prefix(start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_think_are_known_by_their_ids() {
        for id in [
            "o3",
            "o4-mini",
            "openai/o1-preview",
            "deepseek-reasoner",
            "Qwen3-4B-Thinking",
        ] {
            assert!(reasons(id), "{id}");
        }
        for id in [
            "gpt-4o",
            "o200k",
            "deepseek-chat",
            "llama3.2",
            "claude-3-5-haiku-latest",
        ] {
            assert!(!reasons(id), "{id}");
        }
    }
}
