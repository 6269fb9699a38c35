//! `llm.providers` and `llm.catalog`.

mod resilience;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{credential, limits};
use crate::ConfigField;
use crate::catalog::{DefaultParams, Endpoint, Model, Protocol, Provider};
use crate::egress::Secrets;
use crate::genesis::node::{Node, shared};
use crate::genesis::problem::quoted;
use crate::overrides::whole;
use crate::policy;

/// The longest id of a model.
const MAX_ID_BYTES: usize = 256;

/// The rows of `llm.providers`.
pub(super) fn providers(node: &Node<'_>, secrets: &Secrets) -> Vec<Arc<Provider>> {
    let rows = node
        .members("an object of providers, each with base_url and, where one is needed, api_key");
    let read = |(name, row): &(&str, Node<'_>)| {
        row.warn_unknown(&["api_key", "base_url", "protocol", "timeouts"]);
        let timeouts = resilience::timeouts(&row.get("timeouts"));
        Some(Arc::new(Provider {
            name: (*name).into(),
            endpoint: endpoint(row, secrets)?,
            timeouts,
        }))
    };
    rows.iter().filter_map(read).collect()
}

enum Kind {
    Builtin,
    Remote(Protocol),
}

fn endpoint(row: &Node<'_>, secrets: &Secrets) -> Option<Endpoint> {
    if !row.value().is_some_and(Value::is_object) {
        row.problem("an object with base_url and, where one is needed, api_key");
        return None;
    }
    let protocol = row.get("protocol");
    let kind = protocol.optional(
        |value| match value.as_str()? {
            "builtin" => Some(Kind::Builtin),
            "openai" => Some(Kind::Remote(Protocol::OpenAi)),
            "anthropic" => Some(Kind::Remote(Protocol::Anthropic)),
            "gemini" => Some(Kind::Remote(Protocol::Gemini)),
            _ => None,
        },
        "openai (any OpenAI-compatible server), anthropic, gemini or builtin",
    );
    match kind {
        Some(Kind::Builtin) => Some(Endpoint::Builtin),
        None if protocol.is_present() => None,
        None => remote(row, None, secrets),
        Some(Kind::Remote(protocol)) => remote(row, Some(protocol), secrets),
    }
}

fn remote(row: &Node<'_>, protocol: Option<Protocol>, secrets: &Secrets) -> Option<Endpoint> {
    let expected =
        "the address of the provider, such as https://api.example.com/v1, or ${VARIABLE}";
    let address = credential::address(&row.get("base_url"), expected, secrets);
    let credential = credential::credential(&row.get("api_key"), address.as_ref(), secrets);
    let (base_url, credential) = address?.with(credential?)?;
    Some(Endpoint::Remote {
        protocol: protocol.unwrap_or_else(|| Protocol::at(&base_url)),
        base_url,
        credential,
    })
}

/// The rows of `llm.catalog`.
pub(super) fn catalog(llm: &Node<'_>, providers: &[Arc<Provider>]) -> Vec<Arc<Model>> {
    let node = llm.get("catalog");
    let rows = node.members("an object of models, each with provider and id");
    if node
        .value()
        .and_then(Value::as_object)
        .is_some_and(serde_json::Map::is_empty)
    {
        node.problem("at least one model");
    }
    let owners = owners(&rows);
    rows.iter()
        .filter_map(|(name, row)| {
            let fallbacks = resilience::fallbacks(name, &row.get("fallbacks"), &owners);
            let model = model(name, row, &llm.get("providers"), providers)?;
            Some(Arc::new(Model { fallbacks, ..model }))
        })
        .collect()
}

fn model(
    name: &str,
    row: &Node<'_>,
    provider_rows: &Node<'_>,
    providers: &[Arc<Provider>],
) -> Option<Model> {
    if !row.value().is_some_and(Value::is_object) {
        row.problem("an object with provider and id");
        return None;
    }
    row.warn_unknown(&[
        "provider",
        "id",
        "aliases",
        "default_params",
        "stream",
        "reasoning",
        "fallbacks",
        "price",
        "context_length",
        "max_output_tokens",
    ]);
    let id = id(&row.get("id"));
    let reference = row.get("provider");
    let provider = reference.text("a key of llm.providers");
    let provider = provider.and_then(|name| {
        let found = providers.iter().find(|provider| &*provider.name == name);
        // A provider with mistakes of its own has been reported already.
        if found.is_none() && !provider_rows.get(name).is_present() {
            reference.problem("a key of llm.providers");
        }
        found
    });
    let aliases = aliases(row);
    let default_params = default_params(&row.get("default_params"));
    let is = |key| row.get(key).optional(Value::as_bool, "true or false");
    let (streams, reasons) = (is("stream").unwrap_or(true), is("reasoning"));
    let price = limits::price(&row.get("price"));
    let id = id?;
    Some(Model {
        name: name.into(),
        id: id.into(),
        aliases,
        provider: Arc::clone(provider?),
        default_params,
        streams,
        reasons: reasons.unwrap_or_else(|| resilience::reasons(id)),
        fallbacks: Vec::new(),
        price,
        context_length: token_count(&row.get("context_length")),
        max_output_tokens: token_count(&row.get("max_output_tokens")),
    })
}

/// The largest number of tokens that a row may name.
const MAX_TOKEN_COUNT: u32 = 100_000_000;

fn token_count(node: &Node<'_>) -> Option<u32> {
    let read = |value: &Value| whole(value).filter(|count| (1..=MAX_TOKEN_COUNT).contains(count));
    node.optional(read, "a whole number of tokens from 1 to 100000000")
}

fn id<'a>(node: &Node<'a>) -> Option<&'a str> {
    let id = node.text("what the provider calls the model")?;
    let is_usable = id.len() <= MAX_ID_BYTES && !id.contains(char::is_control);
    if !is_usable {
        node.problem("a name of at most 256 characters, without control characters");
    }
    is_usable.then_some(id)
}

fn aliases(row: &Node<'_>) -> Vec<Arc<str>> {
    let elements = row.get("aliases").optional_elements("a list of names");
    elements
        .iter()
        .filter_map(|alias| alias.text("a name").and(alias.value()).and_then(shared))
        .collect()
}

fn default_params(node: &Node<'_>) -> DefaultParams {
    node.warn_unknown(&["temperature", "max_tokens"]);
    node.optional_members("an object with temperature and max_tokens");
    let within = |field: ConfigField, number: f64| policy::ceiling(field).admits_number(number);
    let temperature = |value: &Value| {
        value
            .as_f64()
            .filter(|number| within(ConfigField::Temperature, *number))
    };
    let max_tokens = |value: &Value| {
        whole(value).filter(|count| within(ConfigField::MaxTokens, f64::from(*count)))
    };
    let words = |field| policy::describe(field, &policy::ceiling(field));
    DefaultParams {
        temperature: node
            .get("temperature")
            .optional(temperature, &words(ConfigField::Temperature)),
        max_tokens: node
            .get("max_tokens")
            .optional(max_tokens, &words(ConfigField::MaxTokens)),
    }
}

/// Which row a name leads to: a key or an alias, which is neither the key nor the alias of another
/// row.
fn owners<'a>(rows: &[(&'a str, Node<'a>)]) -> HashMap<&'a str, &'a str> {
    let mut owners: HashMap<&str, &str> = rows.iter().map(|(name, _)| (*name, *name)).collect();
    for (name, row) in rows {
        let aliases = row.get("aliases");
        // Another type is reported where the row itself is read.
        let Some(Value::Array(_)) = aliases.value() else {
            continue;
        };
        for alias in aliases.optional_elements("") {
            let Some(text) = alias.value().and_then(Value::as_str) else {
                continue;
            };
            let owner = *owners.entry(text).or_insert(name);
            if owner != *name {
                alias.problem_with(
                    quoted(text),
                    format!("a name that the model {owner} does not have already"),
                );
            }
        }
    }
    owners
}
