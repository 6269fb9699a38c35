//! Under which addresses this server is known. They come from boot configuration, never from what a
//! client says: a `Host` that is not one of them is refused before anything looks at the request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::HOST;
use http::{HeaderMap, StatusCode};
use nexus_core::auth::Origin;

use crate::ApiError;

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

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.0.iter()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The address that a request says it is for, if it is one of ours.
    pub(crate) fn of_request(&self, headers: &HeaderMap) -> Option<&Origin> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return None;
        };
        let host = host.to_str().ok()?;
        self.iter().find(|origin| is_at(origin, host))
    }
}

/// Refuses requests for another host, such as those of a page whose name was bound to this machine.
pub(crate) async fn check_host(
    State(origins): State<Origins>,
    request: Request,
    next: Next,
) -> Response {
    // Whoever asks for the health of a process knows it by its number, not by its name.
    let is_health = matches!(request.uri().path(), "/livez" | "/readyz");
    if origins.is_empty() || is_health || is_for_us(&origins, &request) {
        return next.run(request).await;
    }
    misdirected(&origins).into_response()
}

/// A request may also spell out its whole address; then it must not contradict itself.
fn is_for_us(origins: &Origins, request: &Request) -> bool {
    let Some(origin) = origins.of_request(request.headers()) else {
        return false;
    };
    let spelled_out = request.uri().authority();
    spelled_out.is_none_or(|it| is_at(origin, it.as_str()))
}

/// Whether this is the host of an address, with its port. The usual port may be spelled out.
fn is_at(origin: &Origin, host: &str) -> bool {
    let authority = origin.authority();
    let is_authority = |host: &str| host.eq_ignore_ascii_case(authority);
    let usual_port = if origin.is_secure() { ":443" } else { ":80" };
    let has_usual_port = authority.ends_with(']') || !authority.contains(':');
    is_authority(host)
        || (has_usual_port && host.strip_suffix(usual_port).is_some_and(is_authority))
}

fn misdirected(origins: &Origins) -> ApiError {
    let names: Vec<_> = origins.iter().map(ToString::to_string).collect();
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
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_host_is_ours_when_it_is_spelled_out() {
        let origins = Origins::loopback(8000);
        let is_ours = |hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_str(host).unwrap());
            }
            origins.of_request(&headers).is_some()
        };
        for host in ["127.0.0.1:8000", "LOCALHOST:8000", "[::1]:8000"] {
            assert!(is_ours(&[host]), "{host}");
        }
        for host in [
            "127.0.0.1",
            "localhost:8001",
            "evil.test:8000",
            "localhost:8000.evil.test",
            "",
        ] {
            assert!(!is_ours(&[host]), "{host}");
        }
        let public = [
            "https://nexus.test",
            "http://plain.test",
            "https://odd.test:8443",
        ];
        let origins = Origins::new(public.map(|it| it.parse().unwrap()).to_vec());
        let is_known = |host: &'static str| {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            origins.of_request(&headers).is_some()
        };
        for host in [
            "nexus.test",
            "Nexus.test:443",
            "plain.test:80",
            "odd.test:8443",
        ] {
            assert!(is_known(host), "{host}");
        }
        for host in [
            "nexus.test:80",
            "nexus.test:4430",
            "plain.test:443",
            "odd.test",
            "odd.test:8443:443",
        ] {
            assert!(!is_known(host), "{host}");
        }
        assert!(!is_ours(&[]) && !is_ours(&["localhost:8000", "localhost:8000"]));
    }
}
