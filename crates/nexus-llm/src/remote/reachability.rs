//! Whether a provider can be asked now.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use nexus_core::catalog::Credential;
use tokio::time::timeout;
use url::{Host, Url};

use super::{Remote, Wire};
use crate::LlmError;

/// A server of one's own answers at once or not at all.
const NEAR_LIMIT: Duration = Duration::from_millis(800);
const FAR_LIMIT: Duration = Duration::from_secs(3);

/// What is known of a provider after asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// It lives in this process.
    Builtin,
    /// It answers.
    Ready {
        /// The ids that it lists. Empty when it has a key and does not say.
        models: Vec<String>,
    },
    /// Its row names a key that is not set. It was not asked.
    MissingKey {
        /// The environment variable.
        variable: String,
    },
    /// Its address is one that Nexus does not connect to. It was not asked.
    Refused {
        /// Why, and what to do, for whoever runs the server.
        reason: String,
    },
    /// It does not answer, or not as a provider does.
    Silent {
        /// Why, for people.
        reason: String,
    },
}

impl Wire {
    pub(crate) async fn probe(&self, remote: &Remote<'_>) -> Reachability {
        let has_key = match remote.credential {
            Credential::Missing { variable } => {
                return Reachability::MissingKey {
                    variable: variable.clone(),
                };
            }
            Credential::Key(_) => true,
            Credential::NotNeeded => false,
        };
        let limit = if is_near(remote.base_url) {
            NEAR_LIMIT
        } else {
            FAR_LIMIT
        };
        match timeout(limit, self.list(remote)).await {
            Ok(Ok(models)) => Reachability::Ready { models },
            // A hosted provider may serve chats and no list. At an address without a key, anything
            // may be listening.
            Ok(Err(LlmError::Rejected {
                status: 404 | 405, ..
            })) if has_key => Reachability::Ready { models: Vec::new() },
            Ok(Err(LlmError::AddressRefused { reason, .. })) => Reachability::Refused { reason },
            Ok(Err(LlmError::Unreachable { reason, .. })) => Reachability::Silent { reason },
            Ok(Err(error)) => Reachability::Silent {
                reason: error.to_string(),
            },
            Err(_) => Reachability::Silent {
                reason: format!("no answer within {limit:?}"),
            },
        }
    }
}

/// On this machine or in this house.
pub(crate) fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_near_v4(address),
        Some(Host::Ipv6(address)) => is_near_v6(address),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            !name.contains('.')
                || [".localhost", ".local", ".lan", ".internal", ".home.arpa"]
                    .iter()
                    .any(|ending| name.ends_with(ending))
        }
        None => false,
    }
}

pub(crate) fn is_near_v4(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_private() || address.is_link_local()
}

pub(crate) fn is_near_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.to_ipv4_mapped().is_some_and(is_near_v4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_this_machine_and_this_house() {
        let near = |url: &str| is_near(&Url::parse(url).expect("a URL"));
        for url in [
            "http://127.0.0.1:11434/v1",
            "http://localhost:8080",
            "http://[::1]:8080",
            "http://192.168.1.20/v1",
            "http://10.0.0.3/v1",
            "http://ollama:11434/v1",
            "http://studio.local/v1",
        ] {
            assert!(near(url), "{url}");
        }
        for url in [
            "https://api.openai.com/v1",
            "https://8.8.8.8/v1",
            "https://[2001:db8::1]/v1",
        ] {
            assert!(!near(url), "{url}");
        }
    }
}
