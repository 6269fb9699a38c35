//! Under which addresses this server is known. They come from boot configuration, never from what a
//! client says: a `Host` that is not one of them is refused before anything looks at the request.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::HOST;
use http::{HeaderValue, StatusCode};
use url::Url;

use crate::ApiError;

/// An address that people and programs reach the server at: `https://nexus.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Without a path, and without a slash at the end.
    text: Arc<str>,
    /// Host and, unless it is the usual one, port: what clients send as `Host`.
    authority: Arc<str>,
    is_secure: bool,
}

/// A text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not an address of a server: write it as https://nexus.example.org, without a path; http is \
     only for this machine itself"
)]
pub struct NotAnOrigin {
    found: String,
}

impl Origin {
    /// `https://nexus.example.org`
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `nexus.example.org`
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let refuse = || NotAnOrigin {
            found: text.chars().take(200).collect(),
        };
        let url = Url::parse(text).map_err(|_| refuse())?;
        let host = url.host().ok_or_else(refuse)?;
        let is_local = match &host {
            url::Host::Domain(name) => *name == "localhost",
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => address.is_loopback(),
        };
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let is_secure = url.scheme() == "https";
        if !is_bare || !(is_secure || (url.scheme() == "http" && is_local)) {
            return Err(refuse());
        }
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Self {
            text: format!("{}://{authority}", url.scheme()).into(),
            authority: authority.into(),
            is_secure,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Every address of this server. The first one is what the server calls itself.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<[Origin]>);

impl Origins {
    /// These addresses. None: any `Host` is served, and nobody can sign in.
    #[must_use]
    pub fn new(origins: Vec<Origin>) -> Self {
        Self(origins.into())
    }

    /// The addresses of a server that only this machine can reach.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        let names = ["127.0.0.1", "localhost", "[::1]"];
        let origins = names.map(|name| format!("http://{name}:{port}").parse().ok());
        Self(origins.into_iter().flatten().collect())
    }

    /// The address that a client says it talks to, if it is one of ours.
    #[must_use]
    pub fn of_host(&self, host: Option<&HeaderValue>) -> Option<&Origin> {
        let host = host?.as_bytes();
        self.iter()
            .find(|origin| origin.authority.as_bytes().eq_ignore_ascii_case(host))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.0.iter()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Refuses requests for another host, such as those of a page whose name was bound to this machine.
pub(crate) async fn check_host(
    State(origins): State<Origins>,
    request: Request,
    next: Next,
) -> Response {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    let is_ours = hosts.next().is_none() && origins.of_host(host).is_some();
    // Whoever asks for the health of a process knows it by its number, not by its name.
    let is_health = matches!(request.uri().path(), "/livez" | "/readyz");
    if origins.is_empty() || is_ours || is_health {
        return next.run(request).await;
    }
    misdirected(&origins).into_response()
}

fn misdirected(origins: &Origins) -> ApiError {
    let names: Vec<_> = origins.iter().map(Origin::as_str).collect();
    ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected",
        format!(
            "this server goes by another name: use {}. Whoever runs it adds a name with \
             `public_origin` in its settings",
            names.join(" or ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for (text, authority, is_secure) in [
            ("https://nexus.example.org", "nexus.example.org", true),
            ("https://NEXUS.example.org:443/", "nexus.example.org", true),
            ("https://a.test:8443", "a.test:8443", true),
            ("http://localhost:8000", "localhost:8000", false),
            ("http://[::1]:8000", "[::1]:8000", false),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.authority(), origin.is_secure()), (authority, is_secure));
        }
        for text in [
            "nexus.example.org",
            "http://nexus.example.org",
            "https://a.test/path",
            "https://a.test?x",
            "https://me@a.test",
            "ftp://localhost",
            "https://",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_is_ours_when_it_is_spelled_out() {
        let origins = Origins::loopback(8000);
        let is_ours = |host: &str| {
            let host = HeaderValue::from_str(host).unwrap();
            origins.of_host(Some(&host)).is_some()
        };
        assert!(is_ours("127.0.0.1:8000") && is_ours("LOCALHOST:8000") && is_ours("[::1]:8000"));
        for host in ["127.0.0.1", "localhost:8001", "evil.test:8000", "localhost:8000.evil.test", ""] {
            assert!(!is_ours(host), "{host}");
        }
        assert!(origins.of_host(None).is_none());
    }
}
