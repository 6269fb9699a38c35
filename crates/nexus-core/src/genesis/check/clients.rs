//! `clients`: what programs may say.

use serde_json::Value;

use crate::clients::{ClientRules, OtherFields, OutOfPolicy, SystemText};
use crate::genesis::node::Node;

/// What Nexus itself reads or writes in a request. It cannot be passed on as well.
const OWN_FIELDS: [&str; 8] = [
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "store",
    "stream",
    "stream_options",
    "temperature",
];

/// `clients`. What is not there is as usual.
pub(super) fn clients(node: &Node<'_>) -> ClientRules {
    node.optional_members(
        "an object with system_text, out_of_policy, fields, other_fields, provider_tools, store",
    );
    node.warn_unknown(&[
        "system_text",
        "out_of_policy",
        "fields",
        "other_fields",
        "provider_tools",
        "store",
    ]);
    let usual = ClientRules::default();
    let fields = node.get("fields");
    ClientRules {
        system_text: choice(node, "system_text", &SystemText::ALL, SystemText::as_str)
            .unwrap_or(usual.system_text),
        out_of_policy: choice(
            node,
            "out_of_policy",
            &OutOfPolicy::ALL,
            OutOfPolicy::as_str,
        )
        .unwrap_or(usual.out_of_policy),
        other_fields: choice(node, "other_fields", &OtherFields::ALL, OtherFields::as_str)
            .unwrap_or(usual.other_fields),
        fields: if fields.is_present() {
            let named = fields.optional_elements("a list of fields of a request");
            named.iter().filter_map(field).collect()
        } else {
            usual.fields
        },
        provider_tools: {
            let kinds = node.get("provider_tools");
            let kinds = kinds.optional_elements("a list of kinds of tools, such as web_search");
            kinds.iter().filter_map(tool_kind).collect()
        },
        store: node
            .get("store")
            .optional(Value::as_bool, "true or false")
            .unwrap_or(usual.store),
    }
}

fn field(node: &Node<'_>) -> Option<String> {
    let name = node.text("the name of a field, such as seed")?;
    if OWN_FIELDS.contains(&name) {
        node.problem("a field that Nexus does not read or write itself");
        return None;
    }
    Some(name.to_owned())
}

fn tool_kind(node: &Node<'_>) -> Option<String> {
    let kind = node.text("a kind of tools, such as web_search")?;
    Some(kind.to_owned())
}

fn choice<T: Copy>(
    node: &Node<'_>,
    key: &str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Option<T> {
    let words: Vec<_> = all.iter().map(|choice| word(*choice)).collect();
    let read = |value: &Value| {
        let said = value.as_str()?;
        all.iter().copied().find(|choice| word(*choice) == said)
    };
    node.get(key).optional(read, &words.join(", "))
}
