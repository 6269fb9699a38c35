//! The public origin of the server, from boot configuration: what signatures are bound to.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// Where clients reach the server: a scheme, a host and a port, and nothing else. Signatures are
/// bound to it. It comes from boot configuration, never from a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// The text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected http:// or https://, a host and perhaps a port, without path, query or user, as in https://nexus.example.org"
)]
pub struct InvalidOrigin;

impl Origin {
    /// Host and port, in lower case, without the port that the scheme has anyway: the domain of a
    /// sign-in text, and the `@authority` of a signed request (RFC 9421, section 2.2.3).
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The URI of a sign-in text: the origin and a slash.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("{self}/")
    }

    /// Whether clients speak TLS to it.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| InvalidOrigin)?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(InvalidOrigin),
        };
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        let host = url.host().filter(|_| is_bare).ok_or(InvalidOrigin)?;
        if let Host::Domain(name) = host
            && !name.bytes().all(is_of_a_name)
        {
            return Err(InvalidOrigin);
        }
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Self { scheme, authority })
    }
}

/// Narrower than a URL allows: what stands in a signed text has no second meaning anywhere.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling_once_it_is_read() {
        for (text, authority, uri) in [
            (
                "https://Nexus.Example.org",
                "nexus.example.org",
                "https://nexus.example.org/",
            ),
            (
                "https://nexus.example.org:443/",
                "nexus.example.org",
                "https://nexus.example.org/",
            ),
            (
                "http://127.0.0.1:8000",
                "127.0.0.1:8000",
                "http://127.0.0.1:8000/",
            ),
            ("http://[::1]:8000", "[::1]:8000", "http://[::1]:8000/"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.authority(), &*origin.uri()), (authority, uri));
            assert_eq!(origin.to_string().parse(), Ok(origin));
        }
    }

    #[test]
    fn more_than_an_origin_is_refused() {
        for text in [
            "",
            "nexus.example.org",
            "ftp://nexus.example.org",
            "https://nexus.example.org/app",
            "https://nexus.example.org/?a",
            "https://nexus.example.org/#a",
            "https://me@nexus.example.org",
            "https://a\"b.example.org",
            "https://a{b}.example.org",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(InvalidOrigin), "{text}");
        }
    }
}
