//! `llm.providers` and `llm.catalog`.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::Variables;
use crate::ConfigField;
use crate::catalog::{Credential, DefaultParams, Endpoint, Model, Protocol, Provider};
use crate::genesis::node::{Node, shared};
use crate::genesis::problem::quoted;
use crate::overrides::whole;
use crate::policy;

/// The rows of `llm.providers`.
pub(super) fn providers(node: &Node<'_>, variables: Variables<'_>) -> Vec<Arc<Provider>> {
    let rows = node
        .members("an object of providers, each with base_url and, where one is needed, api_key");
    let read = |(name, row): &(&str, Node<'_>)| {
        row.warn_unknown(&["api_key", "base_url", "protocol"]);
        Some(Arc::new(Provider {
            name: (*name).into(),
            endpoint: endpoint(row, variables)?,
        }))
    };
    rows.iter().filter_map(read).collect()
}

enum Kind {
    Builtin,
    Remote(Protocol),
}

fn endpoint(row: &Node<'_>, variables: Variables<'_>) -> Option<Endpoint> {
    if !row.value().is_some_and(Value::is_object) {
        row.problem("an object with base_url and, where one is needed, api_key");
        return None;
    }
    let protocol = row.get("protocol");
    let kind = protocol.optional(
        |value| match value.as_str()? {
            "builtin" => Some(Kind::Builtin),
            "openai" => Some(Kind::Remote(Protocol::OpenAi)),
            _ => None,
        },
        "openai (any OpenAI-compatible server) or builtin",
    );
    match kind {
        Some(Kind::Builtin) => Some(Endpoint::Builtin),
        None if protocol.is_present() => None,
        None => remote(row, Protocol::OpenAi, variables),
        Some(Kind::Remote(protocol)) => remote(row, protocol, variables),
    }
}

fn remote(row: &Node<'_>, protocol: Protocol, variables: Variables<'_>) -> Option<Endpoint> {
    let address = row.get("base_url");
    let text = address
        .text("the address of the provider, such as https://api.example.com/v1, or ${VARIABLE}")?;
    let credential = credential(&row.get("api_key"), variables);
    let base_url = match variable(text) {
        // Without its address a provider is as good as without its key: it is there, it cannot be asked.
        Some(Ok(name)) => match variables(name) {
            Some(value) => base_url(&address, &value, &format!("the value of {name}")),
            None => {
                let credential = Credential::Missing {
                    variable: name.to_owned(),
                };
                let base_url = Url::parse("http://localhost/").ok()?;
                return Some(Endpoint::Remote {
                    protocol,
                    base_url,
                    credential,
                });
            }
        },
        Some(Err(())) => {
            address.problem("an address, or ${VARIABLE} and nothing beside it");
            None
        }
        None => base_url(&address, text, &quoted(text)),
    };
    Some(Endpoint::Remote {
        protocol,
        base_url: base_url?,
        credential: credential?,
    })
}

pub(super) fn base_url(node: &Node<'_>, text: &str, found: &str) -> Option<Url> {
    let url = Url::parse(text.trim_end_matches('/')).ok();
    let usable = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match url.filter(usable) {
        Some(url) if url.username().is_empty() && url.password().is_none() => Some(url),
        Some(_) => {
            node.problem_with(
                "an address with a name or password in it",
                "an address without: a key belongs into api_key",
            );
            None
        }
        None => {
            node.problem_with(
                found,
                "an address that begins with https:// or http://, without ? or #",
            );
            None
        }
    }
}

pub(super) fn credential(node: &Node<'_>, variables: Variables<'_>) -> Option<Credential> {
    if !node.is_present() || node.value() == Some(&Value::Null) {
        return Some(Credential::NotNeeded);
    }
    let expected = "${VARIABLE}, the environment variable that holds the key";
    let Some(text) = node.value().and_then(Value::as_str) else {
        node.problem_with("something that is not a text", expected);
        return None;
    };
    match variable(text) {
        Some(Ok(name)) => Some(
            match variables(name).filter(|value| !value.trim().is_empty()) {
                Some(key) => Credential::Key(key.trim().to_owned().into()),
                None => Credential::Missing {
                    variable: name.to_owned(),
                },
            },
        ),
        Some(Err(())) => {
            // The value may hold a key: it is never repeated.
            node.problem_with("${…} among other text, or a name that is none", expected);
            None
        }
        None if text.trim().is_empty() => Some(Credential::NotNeeded),
        None => {
            node.warn("a key in clear", expected);
            Some(Credential::Key(text.trim().to_owned().into()))
        }
    }
}

/// `Some(Ok(NAME))` for `${NAME}`, `Some(Err)` for any other use of `${`, `None` for plain text.
fn variable(text: &str) -> Option<Result<&str, ()>> {
    if !text.contains("${") {
        return None;
    }
    let name = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    let valid = |name: &&str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    Some(name.filter(valid).ok_or(()))
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
    refuse_shared_names(&rows);
    rows.iter()
        .filter_map(|(name, row)| model(name, row, &llm.get("providers"), providers))
        .map(Arc::new)
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
    row.warn_unknown(&["provider", "id", "aliases", "default_params", "stream"]);
    let id = row.get("id").text("what the provider calls the model");
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
    let streams = row
        .get("stream")
        .optional(Value::as_bool, "true or false")
        .unwrap_or(true);
    Some(Model {
        name: name.into(),
        id: id?.into(),
        aliases,
        provider: Arc::clone(provider?),
        default_params,
        streams,
    })
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

/// A name leads to one model: an alias is neither the key nor the alias of another row.
fn refuse_shared_names(rows: &[(&str, Node<'_>)]) {
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
}
