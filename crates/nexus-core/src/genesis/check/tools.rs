//! `tools.mcp`: the servers that have tools; and names of tools elsewhere in the template.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::credential::{self, Address};
use crate::ToolName;
use crate::catalog::Credential;
use crate::egress::Secrets;
use crate::genesis::node::{Node, shared};
use crate::genesis::problem::quoted;
use crate::overrides::whole;
use crate::policy::Bounds;
use crate::tools::{CURRENT_TIME, MAX_NAMES, Reach, ToolServer, is_server_name};

/// How many servers a template may name.
const MAX_SERVERS: usize = 32;
/// How long a call may take when the row does not say, in seconds.
const TIMEOUT_SECONDS: u32 = 30;

const SHAPE: &str = "an object with url, or with stdio";
const SERVER_NAME: &str = "a name of 1 to 24 lower-case letters, digits and -, a letter first";
const NAMES: &str = "a list of at most 100 names, each current_time, SERVER or SERVER.TOOL";

/// The rows of `tools.mcp`.
pub(super) fn servers(node: &Node<'_>, secrets: &Secrets) -> Vec<Arc<ToolServer>> {
    if node.is_present() && !node.value().is_some_and(Value::is_object) {
        node.problem("an object with mcp");
    }
    node.warn_unknown(&["mcp"]);
    let rows = node.get("mcp");
    let servers = rows.optional_members("an object of servers, each with url or stdio");
    if servers.len() > MAX_SERVERS {
        rows.problem(format!("at most {MAX_SERVERS} servers"));
    }
    let read = |(name, row): &(&str, Node<'_>)| server(name, row, secrets).map(Arc::new);
    servers.iter().filter_map(read).collect()
}

/// Everything that can be turned on. A row with mistakes of its own counts: it has been reported.
pub(super) fn all(node: &Node<'_>) -> Arc<[ToolName]> {
    let rows = node.get("mcp");
    let rows = rows.value().and_then(Value::as_object);
    let servers = rows.into_iter().flat_map(|rows| rows.keys());
    let servers = servers.filter(|name| is_server_name(name));
    [ToolName::of_server(CURRENT_TIME)]
        .into_iter()
        .chain(servers.map(|name| ToolName::of_server(name)))
        .collect()
}

/// What is on when nobody says anything.
pub(super) fn named(all: &[ToolName]) -> Arc<[ToolName]> {
    let is_builtin = |name: &&ToolName| name.as_str() == CURRENT_TIME;
    all.iter()
        .filter(|name| !is_builtin(name))
        .cloned()
        .collect()
}

/// Whether a name leads to something of `all`.
pub(in crate::genesis) fn knows(all: &[ToolName], name: &ToolName) -> bool {
    let is_builtin = |known: &ToolName| known.as_str() == CURRENT_TIME;
    all.iter()
        .any(|known| known == name || (known.covers(name) && !is_builtin(known)))
}

/// One name of a list of tools.
pub(super) fn name(element: &Node<'_>, is_tool: impl Fn(&ToolName) -> bool) -> Option<ToolName> {
    let name = element.value().and_then(Value::as_str);
    let name = name.and_then(|text| text.parse().ok()).filter(is_tool);
    if name.is_none() {
        element
            .problem("current_time, a key of tools.mcp, or such a key, a dot and one tool of it");
    }
    name
}

/// `user_defaults.config.tools`.
pub(super) fn defaults(
    node: &Node<'_>,
    is_tool: impl Fn(&ToolName) -> bool,
    bounds: &Bounds,
) -> Option<Arc<[ToolName]>> {
    let elements = node.optional_elements(NAMES);
    if elements.len() > MAX_NAMES {
        node.problem(NAMES);
    }
    let mut names: Vec<ToolName> = Vec::with_capacity(elements.len());
    for element in &elements {
        let Some(name) = name(element, &is_tool) else {
            continue;
        };
        if !bounds.admits_tool(&name) {
            element.problem("one of the options that ui.field_options gives for config.tools");
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    node.is_present().then(|| names.into())
}

fn server(name: &str, row: &Node<'_>, secrets: &Secrets) -> Option<ToolServer> {
    if !row.value().is_some_and(Value::is_object) {
        row.problem(SHAPE);
        return None;
    }
    if !is_server_name(name) {
        row.problem_with(quoted(name), SERVER_NAME);
        return None;
    }
    row.warn_unknown(&[
        "url",
        "api_key",
        "api_key_header",
        "stdio",
        "timeout_seconds",
    ]);
    let seconds = |value: &Value| whole(value).filter(|seconds| (1..=120).contains(seconds));
    let timeout = row
        .get("timeout_seconds")
        .optional(seconds, "a whole number from 1 to 120")
        .unwrap_or(TIMEOUT_SECONDS);
    Some(ToolServer {
        name: name.into(),
        reach: reach(row, secrets)?,
        timeout: Duration::from_secs(timeout.into()),
    })
}

fn reach(row: &Node<'_>, secrets: &Secrets) -> Option<Reach> {
    let (url, stdio) = (row.get("url"), row.get("stdio"));
    match (url.is_present(), stdio.is_present()) {
        (true, false) => http(row, &url, secrets),
        (false, true) => self::stdio(row, &stdio),
        (true, true) => {
            row.problem_with("both url and stdio", SHAPE);
            None
        }
        (false, false) => {
            row.problem(SHAPE);
            None
        }
    }
}

/// A template never holds a command line: whoever may write a template could start any program.
fn stdio(row: &Node<'_>, node: &Node<'_>) -> Option<Reach> {
    for key in ["api_key", "api_key_header"] {
        let child = row.get(key);
        if child.is_present() {
            child.problem_with("a key for a program", "nothing: it goes with url only");
        }
    }
    let command = |value: &Value| shared(value).filter(|name| is_server_name(name));
    let command = node.optional(
        command,
        "the name of a command of mcp_commands in the settings file (never the command itself)",
    )?;
    Some(Reach::Stdio { command })
}

fn http(row: &Node<'_>, node: &Node<'_>, secrets: &Secrets) -> Option<Reach> {
    let expected =
        "the address of the server, such as https://tools.example.com/mcp, or ${VARIABLE}";
    let address = credential::address(node, expected, secrets);
    let credential = key(&row.get("api_key"), address.as_ref(), secrets);
    let header = row.get("api_key_header");
    let is_given = header.is_present();
    let header = header.optional(
        |value| shared(value).filter(|name| is_header(name)),
        "the name of a header of your own, such as X-Api-Key",
    );
    if is_given && !row.get("api_key").is_present() {
        row.get("api_key_header")
            .problem_with("a header without a key", "api_key beside it");
    }
    let (url, credential) = address?.with(credential?)?;
    Some(Reach::Http {
        url,
        credential,
        header,
    })
}

/// Read as the key of a provider is, but never in clear.
fn key(node: &Node<'_>, address: Option<&Address>, secrets: &Secrets) -> Option<Credential> {
    let is_in_clear = |text: &str| !text.trim().is_empty() && !text.contains("${");
    if node
        .value()
        .and_then(Value::as_str)
        .is_some_and(is_in_clear)
    {
        // The value may be a key: it is never repeated.
        node.problem_with(
            "a key in clear",
            "${VARIABLE}, the environment variable that holds the key",
        );
        return None;
    }
    credential::credential(node, address, secrets)
}

/// A header that may carry a key: a token (RFC 9110, section 5.6.2) that the protocol does not use.
fn is_header(name: &str) -> bool {
    const RESERVED: [&str; 10] = [
        "accept",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "last-event-id",
        "te",
        "transfer-encoding",
        "upgrade",
    ];
    let lower = name.to_ascii_lowercase();
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !lower.starts_with("mcp-")
        && !RESERVED.contains(&&*lower)
}
