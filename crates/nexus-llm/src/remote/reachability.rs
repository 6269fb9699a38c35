//! Whether a provider can be asked now.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use http::header;
use nexus_core::catalog::Credential;
use nexus_egress::Broken;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::{Remote, Wire, read_list};
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

/// What asking a provider showed, for whoever runs the server.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// Whether it can be asked.
    pub reach: Reachability,
    /// What is in the way, if it is [`Reachability::Silent`].
    pub obstacle: Option<Obstacle>,
    /// How long the answer took, or was waited for.
    pub took: Duration,
    /// What time its server has, if it says so, to the second.
    pub server_time: Option<SystemTime>,
}

/// What is in the way between Nexus and a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no connection.
    Connection(Broken),
    /// There is one, or none yet, and no answer in time.
    Silence,
    /// It refuses the key.
    Key,
    /// It fails, or asks to come back later.
    Trouble,
    /// What it says is not what a provider says.
    Answer,
}

/// Why there is no list.
struct Blocked {
    error: LlmError,
    obstacle: Obstacle,
}

impl From<LlmError> for Blocked {
    fn from(error: LlmError) -> Self {
        let obstacle = match &error {
            LlmError::Unauthorized { .. } => Obstacle::Key,
            LlmError::RateLimited { .. } | LlmError::Failed { .. } => Obstacle::Trouble,
            LlmError::TimedOut { .. } => Obstacle::Silence,
            LlmError::Unreachable { .. } => Obstacle::Connection(Broken::Closed),
            _ => Obstacle::Answer,
        };
        Self { error, obstacle }
    }
}

impl Wire {
    pub(crate) async fn probe(&self, remote: &Remote<'_>) -> Reachability {
        let patience = if is_near(remote.base_url) {
            NEAR_LIMIT
        } else {
            FAR_LIMIT
        };
        self.diagnose(remote, patience).await.reach
    }

    pub(crate) async fn diagnose(&self, remote: &Remote<'_>, patience: Duration) -> Diagnosis {
        let since = Instant::now();
        let mut server_time = None;
        let (reach, obstacle) = self.look(remote, patience, &mut server_time).await;
        Diagnosis {
            reach,
            obstacle,
            took: since.elapsed(),
            server_time,
        }
    }

    async fn look(
        &self,
        remote: &Remote<'_>,
        patience: Duration,
        server_time: &mut Option<SystemTime>,
    ) -> (Reachability, Option<Obstacle>) {
        let has_key = match remote.credential {
            Credential::Missing { variable } => {
                let variable = variable.clone();
                return (Reachability::MissingKey { variable }, None);
            }
            Credential::Key(_) => true,
            Credential::NotNeeded => false,
        };
        let silent = |reason, obstacle| (Reachability::Silent { reason }, Some(obstacle));
        let listed = timeout(patience, self.list_and_time(remote, server_time)).await;
        let Ok(listed) = listed else {
            return silent(format!("no answer within {patience:?}"), Obstacle::Silence);
        };
        match listed.map_err(|it| (it.error, it.obstacle)) {
            Ok(models) => (Reachability::Ready { models }, None),
            // A hosted provider may serve chats and no list. At an address without a key, anything
            // may be listening.
            Err((
                LlmError::Rejected {
                    status: 404 | 405, ..
                },
                _,
            )) if has_key => (Reachability::Ready { models: Vec::new() }, None),
            Err((LlmError::AddressRefused { reason, .. }, _)) => {
                (Reachability::Refused { reason }, None)
            }
            Err((LlmError::Unreachable { reason, .. }, obstacle)) => silent(reason, obstacle),
            Err((error, obstacle)) => silent(error.to_string(), obstacle),
        }
    }

    async fn list_and_time(
        &self,
        remote: &Remote<'_>,
        server_time: &mut Option<SystemTime>,
    ) -> Result<Vec<String>, Blocked> {
        let sent = self.transport.send(&remote.listing()?).await;
        let response = sent.map_err(|error| Blocked {
            error: remote.unsent(&error),
            obstacle: Obstacle::Connection(error.broken()),
        })?;
        let date = response.headers().get(header::DATE);
        let date = date.and_then(|date| date.to_str().ok());
        *server_time = date.and_then(|date| httpdate::parse_http_date(date).ok());
        Ok(read_list(remote, self.accept(remote, response).await?).await?)
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
