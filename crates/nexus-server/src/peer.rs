//! From which address of the network a request comes, and how much may come from there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use nexus_core::Limit;
use nexus_core::limits::AddressBlock;
use nexus_run::RunError;

use crate::{ApiError, AppState, admission};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Proxies whose word counts about whom they speak for.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Addresses, and networks such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let parse = |text: &String| {
            let network = text.parse().or_else(|_| text.parse().map(IpAddr::into));
            network.map_err(|_| {
                format!(
                    "{text:?} in trusted_proxies is no address and no network such as 10.0.0.0/8"
                )
            })
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address that a request is counted for. `X-Forwarded-For` is what anybody may write: it is
    /// believed from its end, as long as those who wrote it are trusted.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(FORWARDED_FOR).iter();
        let lines: Vec<_> = lines
            .map(|line| line.to_str().unwrap_or_default())
            .collect();
        let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        let mut client = peer;
        while self.trusts(client) {
            // A trusted proxy that wrote something else than an address counts for itself.
            match hops.next().map(|hop| address(hop.trim())) {
                Some(Some(hop)) => client = hop,
                Some(None) | None => break,
            }
        }
        client
    }
}

/// An address, with or without a port: some proxies write it.
fn address(hop: &str) -> Option<IpAddr> {
    let bracketed = hop.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let with_port = || hop.parse().map(|it: SocketAddr| it.ip());
    bracketed
        .unwrap_or(hop)
        .parse()
        .or_else(|_| with_port())
        .ok()
}

/// What a request is counted for where nobody is signed in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(AddressBlock);

impl ClientAddress {
    pub(crate) fn of(parts: &Parts, state: &AppState) -> Self {
        let peer = parts.extensions.get::<Peer>();
        // Without a connection, as in a test, all come from one place.
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        Self(state.trusted_proxies.client(peer, &parts.headers).into())
    }

    /// Counts a request from here.
    ///
    /// # Errors
    /// `rate_limited` when there were as many as there may be.
    pub(crate) fn count(self, state: &AppState, limit: Limit) -> Result<(), ApiError> {
        let limits = admission::limits(state);
        let limiter = &state.orchestrator.limiter;
        let counted = limiter.count_address(&limits, limit, self.0);
        counted.map_err(|reached| RunError::from(reached).into())
    }
}

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        Ok(Self::of(parts, state))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<_> = trusted.iter().map(ToString::to_string).collect();
        let trusted = TrustedProxies::parse(&trusted).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn t31_a_forged_header_is_ignored_and_a_trusted_proxy_is_believed_hop_by_hop() {
        let forged = ["1.2.3.4", "5.6.7.8, 192.0.2.9"];
        assert_eq!(client(&[], "192.0.2.1", &forged), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1", &forged), "192.0.2.1");
        // The right-most hop that is not trusted: what is left of it anybody may have written.
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &forged), "192.0.2.9");
        let chain = ["1.2.3.4, 192.0.2.9", "10.0.0.2 ,10.0.0.3"];
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &chain), "192.0.2.9");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &chain), "10.0.0.3");
        assert_eq!(
            client(&["::1", "fd00::/8"], "::1", &["2001:db8::5"]),
            "2001:db8::5"
        );
        assert_eq!(
            client(&["127.0.0.1"], "::ffff:127.0.0.1", &["2001:db8::5"]),
            "2001:db8::5"
        );
    }

    #[test]
    fn a_port_behind_an_address_does_not_matter() {
        for (hop, counted) in [
            ("1.2.3.4:5678", "1.2.3.4"),
            ("[::1]:99", "::1"),
            ("[2001:db8::5]", "2001:db8::5"),
            ("2001:db8::5", "2001:db8::5"),
            ("1.2.3.4:99999", "10.0.0.1"),
            ("1.2.3.4:", "10.0.0.1"),
            ("[1.2.3.4", "10.0.0.1"),
        ] {
            assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &[hop]), counted, "{hop}");
        }
    }

    #[test]
    fn a_trusted_proxy_that_says_nothing_useful_counts_for_itself() {
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(
            client(&["10.0.0.1"], "10.0.0.1", &["192.0.2.1, "]),
            "10.0.0.1"
        );
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", &["10.0.0.2"]),
            "10.0.0.2"
        );
        assert!(TrustedProxies::parse(&["proxy.test".into()]).is_err());
    }
}
