//! A server that boot configuration names.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::Deserialize;
use url::{Host, Url};

/// One server: `host` or `host:port`. Without a port it is the usual one, 443 for https and 80 for
/// http. `http://host:port` says as well that nothing needs to be encrypted on the way there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Site {
    host: Host,
    port: Option<u16>,
    is_plain: bool,
}

/// A text that names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a server: write it as HOST, HOST:PORT or http://HOST:PORT")]
pub struct NotASite(String);

impl Site {
    /// Whether `url` leads to this server. How it is written does not matter: both were parsed in
    /// the same way.
    #[must_use]
    pub fn serves(&self, url: &Url) -> bool {
        let port = match url.scheme() {
            "https" => self.port.unwrap_or(443),
            "http" => self.port.unwrap_or(80),
            _ => return false,
        };
        url.host() == Some(borrowed(&self.host)) && url.port_or_known_default() == Some(port)
    }

    /// Whether a key may go there without encryption.
    pub(super) const fn is_plain(&self) -> bool {
        self.is_plain
    }
}

impl FromStr for Site {
    type Err = NotASite;

    fn from_str(text: &str) -> Result<Self, NotASite> {
        let refuse = || NotASite(text.chars().take(80).collect());
        let (is_plain, rest) = match text.strip_prefix("http://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("https://").unwrap_or(text)),
        };
        let is_bare_v6 = rest.parse::<Ipv6Addr>().is_ok();
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/\\@?#*%".contains(c);
        if rest.is_empty() || rest.contains(is_odd) {
            return Err(refuse());
        }
        let bracketed = if is_bare_v6 {
            format!("[{rest}]")
        } else {
            rest.to_owned()
        };
        let scheme = if is_plain { "http" } else { "https" };
        let url = Url::parse(&format!("{scheme}://{bracketed}/")).map_err(|_| refuse())?;
        Ok(Self {
            host: url.host().ok_or_else(refuse)?.to_owned(),
            port: url.port(),
            is_plain,
        })
    }
}

impl TryFrom<String> for Site {
    type Error = NotASite;

    fn try_from(text: String) -> Result<Self, NotASite> {
        text.parse()
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_plain {
            f.write_str("http://")?;
        }
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// The server of an address, as a [`Site`] is written.
#[must_use]
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Whether an address names the machine that Nexus runs on (RFC 6761, section 6.3, for
/// `localhost`).
#[must_use]
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

fn borrowed(host: &Host) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_serves_its_host_and_port_and_nothing_else() {
        for (site, url, serves) in [
            ("api.test", "https://api.test/v1", true),
            ("api.test", "https://API.test:443/v1", true),
            ("https://api.test", "https://api.test/v1", true),
            ("api.test", "http://api.test/v1", true),
            ("api.test", "https://api.test:8443/v1", false),
            ("api.test", "https://api.test./v1", false),
            ("api.test", "https://x.api.test/v1", false),
            ("api.test", "https://api.test.evil.test/v1", false),
            ("api.test", "https://evil.test/api.test", false),
            ("api.test:9000", "https://api.test:9000/", true),
            ("api.test:9000", "https://api.test/", false),
            ("127.0.0.1:9000", "http://127.1:9000/v1", true),
            ("127.0.0.1:9000", "http://localhost:9000/v1", false),
            ("::1", "https://[::1]/", true),
            ("[::1]:80", "http://[0:0::1]/", true),
            ("bücher.test", "https://xn--bcher-kva.test/", true),
        ] {
            let site: Site = site.parse().unwrap();
            assert_eq!(
                site.serves(&Url::parse(url).unwrap()),
                serves,
                "{site} {url}"
            );
        }
    }

    #[test]
    fn what_names_no_server_is_refused() {
        for text in [
            "",
            " ",
            "a b",
            "*.test",
            "https://",
            "a/b",
            "me@a.test",
            "a.test?x",
            "a.test#x",
            "a.test:99999",
            "a.test:x",
            "ftp://a.test",
            "a\u{0}b",
            "%61.test",
            "http://",
        ] {
            assert!(text.parse::<Site>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_site_is_shown_as_it_is_written() {
        for text in ["a.test", "a.test:9000", "http://a.test:80", "[::1]:9000"] {
            let expected = text.trim_end_matches(":80");
            assert_eq!(text.parse::<Site>().unwrap().to_string(), expected);
        }
    }
}
