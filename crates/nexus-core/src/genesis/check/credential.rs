//! Where a server is and what it is shown: `base_url` and `api_key` of a row of `llm.providers`,
//! `url` and `api_key` of one of `tools.mcp`. Only here `${VARIABLE}` means something.

use url::Url;

use crate::catalog::Credential;
use crate::egress::{self, PinnedKey, Refused, Secrets, Site};
use crate::genesis::node::Node;
use crate::genesis::problem::quoted;

/// The longest address.
const MAX_ADDRESS_BYTES: usize = 2048;
const KEY_EXPECTED: &str = "${VARIABLE}, the environment variable that holds the key";

/// What `base_url` or `url` says.
pub(super) enum Address {
    At(Url),
    /// It names a variable that is not set.
    Missing(String),
}

/// Reads an address. `None`: what is wrong has been noted.
pub(super) fn address(node: &Node<'_>, expected: &str, secrets: &Secrets) -> Option<Address> {
    let text = node.text(expected)?;
    let name = match variable(text) {
        None => return base_url(node, text, &quoted(text)).map(Address::At),
        Some(Ok(name)) => name,
        Some(Err(())) => {
            node.problem("an address, or ${VARIABLE} and nothing beside it");
            return None;
        }
    };
    match secrets.address_in(name) {
        Ok(Some(value)) => base_url(node, &value, &format!("the value of {name}")).map(Address::At),
        // Without its address a server is as good as without its key: it is there, it cannot be
        // asked.
        Ok(None) => Some(Address::Missing(name.to_owned())),
        Err(_) => {
            node.problem_with(
                not_listed(name),
                format!(
                    "an address, or a variable that nexus.yml lists as one: to allow this one, \
                     add `addresses: [{name}]` there and start Nexus again"
                ),
            );
            None
        }
    }
}

impl Address {
    /// The address and what is shown there. An address that is missing counts as a missing key.
    pub(super) fn with(self, credential: Credential) -> Option<(Url, Credential)> {
        match self {
            Self::At(url) => Some((url, credential)),
            Self::Missing(variable) => Some((
                Url::parse("http://localhost/").ok()?,
                Credential::Missing { variable },
            )),
        }
    }
}

fn base_url(node: &Node<'_>, text: &str, found: &str) -> Option<Url> {
    let expected = "an address that begins with https:// or http://, without ? or #";
    // The parser would leave some of these out without a word.
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.len() > MAX_ADDRESS_BYTES || text.contains(is_odd) {
        node.problem_with(found, format!("{expected}, and without spaces"));
        return None;
    }
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
            node.problem_with(found, expected);
            None
        }
    }
}

/// Reads `api_key`. `address`: what was read of `base_url`, if that was usable. `None`: what is
/// wrong has been noted, here or there.
pub(super) fn credential(
    node: &Node<'_>,
    address: Option<&Address>,
    secrets: &Secrets,
) -> Option<Credential> {
    if !node.is_present() || node.value() == Some(&serde_json::Value::Null) {
        return Some(Credential::NotNeeded);
    }
    let Some(text) = node.value().and_then(serde_json::Value::as_str) else {
        node.problem_with("something that is not a text", KEY_EXPECTED);
        return None;
    };
    match variable(text) {
        Some(Ok(name)) => named(node, name, address, secrets),
        Some(Err(())) => {
            // The value may hold a key: it is never repeated.
            node.problem_with(
                "${…} among other text, or a name that is none",
                KEY_EXPECTED,
            );
            None
        }
        None if text.trim().is_empty() => Some(Credential::NotNeeded),
        None => in_clear(node, text, address, secrets),
    }
}

/// A key in a variable. Whether it is allowed does not depend on whether it is set.
fn named(
    node: &Node<'_>,
    name: &str,
    address: Option<&Address>,
    secrets: &Secrets,
) -> Option<Credential> {
    let missing = || Credential::Missing {
        variable: name.to_owned(),
    };
    let refused = match address {
        Some(Address::At(url)) => match secrets.key(name, url) {
            Ok(key) => return Some(key.map_or_else(missing, Credential::Key)),
            Err(refused) => Some((refused, url)),
        },
        _ if secrets.lists(name) => return Some(missing()),
        _ => None,
    };
    let (found, expected) = match refused {
        Some((refused, url)) => words(name, &refused, &egress::authority(url)),
        None => words(name, &Refused::NotListed, "HOST"),
    };
    node.problem_with(found, expected);
    None
}

fn in_clear(
    node: &Node<'_>,
    text: &str,
    address: Option<&Address>,
    secrets: &Secrets,
) -> Option<Credential> {
    if secrets.refuses_clear_keys() {
        node.problem_with("a key in clear", KEY_EXPECTED);
        return None;
    }
    node.warn(
        "a key in clear",
        format!(
            "{KEY_EXPECTED}: this one is not pinned to a server by nexus.yml, and in production it \
             is a mistake"
        ),
    );
    let Some(Address::At(url)) = address else {
        return Some(Credential::NotNeeded);
    };
    let key = PinnedKey::new(text, url);
    if key.is_none() {
        node.problem_with(
            "a key that cannot be sent",
            "printable ASCII without spaces",
        );
    }
    key.map(Credential::Key)
}

/// What was found and what to do about it, for people. Hosts and names of variables are no secrets.
fn words(name: &str, refused: &Refused, host: &str) -> (String, String) {
    let list = |sites: &[Site]| {
        let sites: Vec<_> = sites.iter().map(|site| format!("\"{site}\"")).collect();
        sites.join(", ")
    };
    match refused {
        Refused::NotListed => (
            not_listed(name),
            format!(
                "a variable that nexus.yml pins to a server: if {host} may have the key in this \
                 one, add the line `{name}: [\"{host}\"]` below `secrets:` there and start Nexus \
                 again"
            ),
        ),
        Refused::ForOthers { sites } if sites.is_empty() => (
            format!("${{{name}}} for {host}"),
            format!("another variable: nexus.yml lets nobody have {name}"),
        ),
        Refused::ForOthers { sites } => (
            format!("${{{name}}} for {host}"),
            format!(
                "{sites}, for which this key is: if {host} may have it too, \
                 write the line `{name}: [{sites}, \"{host}\"]` below `secrets:` in nexus.yml and \
                 start Nexus again",
                sites = list(sites)
            ),
        ),
        Refused::InClear => (
            format!("${{{name}}} for http://{host}"),
            format!(
                "an address that begins with https://: anybody on the way could read the key; if \
                 the way is safe, write the line `{name}: [\"http://{host}\"]` below `secrets:` \
                 in nexus.yml and start Nexus again"
            ),
        ),
        Refused::Unusable => (
            format!("a value of {name} that cannot be sent"),
            "a key of printable ASCII without spaces in it".to_owned(),
        ),
    }
}

fn not_listed(name: &str) -> String {
    format!("${{{name}}}, which the settings do not list")
}

/// `Some(Ok(NAME))` for `${NAME}`, `Some(Err)` for any other use of `${`, `None` for plain text.
fn variable(text: &str) -> Option<Result<&str, ()>> {
    if !text.contains("${") {
        return None;
    }
    let name = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    Some(name.filter(|name| egress::is_variable_name(name)).ok_or(()))
}
