//! Tools by name: what `config.tools` may say, which servers a template names, and what a model is
//! told. No tool is called here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use url::Url;

use crate::catalog::Credential;

/// The tool that lives in Nexus itself: the time, in the person's time zone.
pub const CURRENT_TIME: &str = "current_time";

/// How many names `config.tools` may hold.
pub const MAX_NAMES: usize = 100;

/// The longest name that a model is told, in bytes. All vendors take it.
pub const MAX_MODEL_NAME: usize = 64;

/// The longest name of a server, in bytes.
const MAX_SERVER_NAME: usize = 24;

/// What stands between server and tool in the name that a model is told. The name of a server has
/// no `_`, so the first one ends it.
const SEPARATOR: &str = "__";

/// A name in `config.tools`: `current_time`, a server (all its tools), or `server.tool`.
///
/// It may name something that is not there any more: a stored name is kept, and the merge says so.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ToolName(Arc<str>);

/// A text is not the name of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name of a tool is current_time, a server, or server.tool: 1 to 200 characters")]
pub struct NotAToolName;

impl ToolName {
    /// All tools of a server.
    #[must_use]
    pub fn of_server(server: &str) -> Self {
        Self(server.into())
    }

    /// One tool of a server, by the name that the server gives it.
    #[must_use]
    pub fn of_tool(server: &str, tool: &str) -> Self {
        Self(format!("{server}.{tool}").into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Who has the tool: a server, or [`CURRENT_TIME`].
    #[must_use]
    pub fn source(&self) -> &str {
        self.0
            .split_once('.')
            .map_or(&*self.0, |(server, _)| server)
    }

    /// The one tool of the source, if it is only one.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, tool)| tool)
    }

    /// Whether everything that `other` names is named by this too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self == other || (self.tool().is_none() && self.source() == other.source())
    }
}

impl FromStr for ToolName {
    type Err = NotAToolName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
        let has_parts = text
            .split_once('.')
            .is_none_or(|(server, tool)| !server.is_empty() && !tool.is_empty());
        if (1..=200).contains(&text.len()) && text.chars().all(is_plain) && has_parts {
            Ok(Self(text.into()))
        } else {
            Err(NotAToolName)
        }
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ToolName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for ToolName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What both lists name, in the order of the first one, each name once.
#[must_use]
pub fn both(asked: &[ToolName], allowed: &[ToolName]) -> Vec<ToolName> {
    let mut common: Vec<ToolName> = Vec::new();
    for name in asked {
        let kept: Vec<_> = if allowed.iter().any(|other| other.covers(name)) {
            vec![name]
        } else {
            allowed.iter().filter(|other| name.covers(other)).collect()
        };
        for name in kept {
            if !common.contains(name) {
                common.push(name.clone());
            }
        }
    }
    common
}

/// The name under which a model is told about a tool of a server: 1 to 64 of `a-zA-Z0-9_-`.
///
/// It is `server__tool` wherever that can be told. Otherwise what cannot be told becomes `_`, and
/// eight digits of the hash of the tool's own name follow. A name that looks as if it had such
/// digits gets them too, so that no tool can take the name of another one. Names of different
/// servers never meet: the first `_` ends the server.
#[must_use]
pub fn model_name(server: &str, tool: &str) -> String {
    let can_be_told = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let told = format!("{server}{SEPARATOR}{tool}");
    if told.len() <= MAX_MODEL_NAME
        && !tool.is_empty()
        && tool.chars().all(can_be_told)
        && !looks_hashed(tool)
    {
        return told;
    }
    let digest = Sha256::digest(tool.as_bytes());
    let [a, b, c, d, ..] = digest.0;
    let digits = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
    let told = told.chars().map(|c| if can_be_told(c) { c } else { '_' });
    let start: String = told.take(MAX_MODEL_NAME - 1 - digits.len()).collect();
    format!("{start}_{digits}")
}

fn looks_hashed(tool: &str) -> bool {
    let last = tool.rsplit_once('_').map_or(tool, |(_, last)| last);
    last.len() == 8 && last.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a server may be called so: 1 to 24 lower-case letters, digits or `-`, a letter first.
#[must_use]
pub fn is_server_name(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= MAX_SERVER_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(valid)
}

/// A row of `tools.mcp`: a server that has tools, and how it is reached.
#[derive(Debug)]
pub struct ToolServer {
    /// The key of the row.
    pub name: Arc<str>,
    /// How it is reached.
    pub reach: Reach,
    /// How long one call may take.
    pub timeout: Duration,
}

/// How a tool server is reached.
#[derive(Debug)]
pub enum Reach {
    /// A program of this machine. Which one, only the settings of the program say: whoever may
    /// change a template must not be able to start programs.
    Stdio {
        /// The key in `mcp_commands`.
        command: Arc<str>,
    },
    /// Streamable HTTP.
    Http {
        /// The address.
        url: Url,
        /// What it is shown.
        credential: Credential,
        /// The header that carries the key. `None`: `Authorization`, as a bearer token.
        header: Option<Arc<str>>,
    },
}

impl ToolServer {
    /// Whether a connection to one is a connection to the other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && match (&self.reach, &other.reach) {
                (Reach::Stdio { command: a }, Reach::Stdio { command: b }) => a == b,
                (
                    Reach::Http {
                        url: url_a,
                        credential: key_a,
                        header: header_a,
                    },
                    Reach::Http {
                        url: url_b,
                        credential: key_b,
                        header: header_b,
                    },
                ) => url_a == url_b && header_a == header_b && key_a == key_b,
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(texts: &[&str]) -> Vec<ToolName> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_is_split_at_its_first_dot() {
        let name: ToolName = "files.read.all".parse().unwrap();
        assert_eq!((name.source(), name.tool()), ("files", Some("read.all")));
        let server: ToolName = "files".parse().unwrap();
        assert!(server.covers(&name) && !name.covers(&server));
        for text in ["", ".a", "a.", "a b", "a\nb", &"x".repeat(201)] {
            assert!(text.parse::<ToolName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_both_lists_name_is_what_is_left() {
        let allowed = names(&["current_time", "files.read", "files.list", "web"]);
        let asked = names(&["web.search", "files", "mail", "files.read"]);
        assert_eq!(
            both(&asked, &allowed),
            names(&["web.search", "files.read", "files.list"])
        );
    }

    #[test]
    fn ordinary_names_are_told_as_they_are() {
        assert_eq!(model_name("files", "read_file"), "files__read_file");
        let odd = model_name("files", "read/file");
        assert!(odd.starts_with("files__read_file_"), "{odd}");
        assert_ne!(odd, model_name("files", "read.file"));
        // A tool cannot call itself what another one is told as.
        let copied = odd.strip_prefix("files__").unwrap();
        assert_ne!(model_name("files", copied), odd);
    }

    fn server() -> impl Strategy<Value = String> {
        "[a-z][a-z0-9-]{0,23}"
    }

    fn odd_name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-c_./ -]{1,4}",
            "[a-z]{50,60}[a-b_.]{30}",
            "x_[0-9a-f]{8}"
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_name_can_be_told(server in server(), tool in any::<String>()) {
            let told = model_name(&server, &tool);
            prop_assert!((1..=MAX_MODEL_NAME).contains(&told.len()), "{told}");
            prop_assert!(told.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')), "{told}");
            prop_assert_eq!(&told, &model_name(&server, &tool));
            prop_assert_ne!(told, CURRENT_TIME);
        }

        #[test]
        fn different_tools_are_told_differently(
            one in (server(), odd_name()),
            other in (server(), odd_name()),
        ) {
            let told = |(server, tool): &(String, String)| model_name(server, tool);
            prop_assert_eq!(one == other, told(&one) == told(&other), "{:?} {:?}", one, other);
            // The worst case: names that only differ in what cannot be told.
            let near = (one.0.clone(), one.1.replace(['.', '/'], "_"));
            prop_assert_eq!(one == near, told(&one) == told(&near));
        }

        #[test]
        fn what_is_left_is_in_both_lists(
            asked in proptest::collection::vec("[ab](\\.[xy])?", 0..5),
            allowed in proptest::collection::vec("[ab](\\.[xy])?", 0..5),
        ) {
            let list = |texts: &[String]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<ToolName>>();
            let (asked, allowed) = (list(&asked), list(&allowed));
            let has = |list: &[ToolName], name: &ToolName| list.iter().any(|it| it.covers(name));
            for server in ["a", "b"] {
                for tool in ["x", "y", "z"] {
                    let name = ToolName::of_tool(server, tool);
                    prop_assert_eq!(has(&both(&asked, &allowed), &name), has(&asked, &name) && has(&allowed, &name));
                    prop_assert_eq!(has(&both(&asked, &allowed), &name), has(&both(&allowed, &asked), &name));
                }
            }
        }
    }
}
