//! Asks servers that people run themselves how much their models read, and remembers it for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nexus_core::Model;
use nexus_core::catalog::Credential;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use url::Url;

use super::{Remote, Wire, is_near};
use crate::address::beside;
use crate::context_length::{self as answers, ASSUMED, ContextLength, LengthSource, Said};
use crate::protocol;
use crate::transport::{Call, read_whole};

/// How long all questions to one server may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer holds: a server may be started again with another length.
const HOLDS: Duration = Duration::from_mins(10);
/// How long it holds where nothing is in force yet, or the server did not answer.
const HOLDS_BRIEFLY: Duration = Duration::from_mins(1);
/// How much of an answer is read.
const LIMIT: usize = 1024 * 1024;
/// How many models are remembered.
const MOST: usize = 1024;

/// What is known of each model, by `base_url` and id.
#[derive(Debug, Default)]
pub(super) struct Lengths(Mutex<HashMap<Key, Arc<Slot>>>);

type Key = (Url, Arc<str>);

/// One model. It is locked while its server is asked, so that only one request asks.
type Slot = tokio::sync::Mutex<Option<Known>>;

#[derive(Clone, Copy, Debug)]
struct Known {
    length: ContextLength,
    until: Instant,
}

/// What came of asking a server.
enum Asked {
    Said(Said),
    /// It answered, and none of its answers says it.
    SaysNothing,
    /// It did not answer.
    Silent,
}

impl Lengths {
    fn slot(&self, base_url: &Url, id: &Arc<str>) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (base_url.clone(), Arc::clone(id));
        if slots.len() >= MOST && !slots.contains_key(&key) {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

impl Remote<'_> {
    /// Whether people run this server themselves, as far as its row tells: it is on this machine or in
    /// this house, or needs no key.
    fn is_of_ones_own(&self) -> bool {
        match self.credential {
            Credential::NotNeeded => true,
            Credential::Key(_) => is_near(self.base_url),
            // It cannot be asked.
            Credential::Missing { .. } => false,
        }
    }
}

impl Wire {
    /// How much a model reads and writes together, as its server says. `None`: it is a hosted one,
    /// which is not asked.
    pub(crate) async fn context_length(
        &self,
        remote: &Remote<'_>,
        model: &Model,
    ) -> Option<ContextLength> {
        if !remote.is_of_ones_own() {
            return None;
        }
        let slot = self.lengths.slot(remote.base_url, &model.id);
        let mut known = slot.lock().await;
        if let Some(known) = known.filter(|known| Instant::now() < known.until) {
            return Some(known.length);
        }
        let asked = timeout(PATIENCE, self.ask_length(remote, model)).await;
        let asked = asked.unwrap_or(Asked::Silent);
        let assumed = ContextLength {
            tokens: ASSUMED,
            source: LengthSource::Assumed,
        };
        let (length, holds) = match (asked, *known) {
            (Asked::Said(said), _) if said.is_in_force => (said.length, HOLDS),
            (Asked::Said(said), _) => (said.length, HOLDS_BRIEFLY),
            (Asked::SaysNothing, _) => (assumed, HOLDS),
            // It may be busy, and be the same as before.
            (Asked::Silent, Some(before)) => (before.length, HOLDS_BRIEFLY),
            (Asked::Silent, None) => (assumed, HOLDS_BRIEFLY),
        };
        tracing::debug!(
            provider = %model.provider.name,
            model = %model.id,
            tokens = length.tokens,
            source = length.source.as_str(),
            "context length"
        );
        *known = Some(Known {
            length,
            until: Instant::now() + holds,
        });
        Some(length)
    }

    /// Asks one route after the other, until one says it.
    async fn ask_length(&self, remote: &Remote<'_>, model: &Model) -> Asked {
        let Ok(id) = self.model_id(remote, model).await else {
            return Asked::Silent;
        };
        let base_url = remote.base_url;
        let said = async {
            // All servers have this one: where it does not answer, no other is asked.
            let list = protocol::models_address(remote.protocol, base_url);
            let list = self.json(remote, &list, None).await?;
            if let Some(said) = answers::of_list(&list, &id) {
                return Some(Some(said));
            }
            let mut props = beside(base_url, "/props");
            let query = [("model", &*id), ("autoload", "false")];
            props.query_pairs_mut().extend_pairs(query);
            let props = self.json(remote, &props, None).await?;
            if let Some(said) = answers::of_llama_cpp(&props) {
                return Some(Some(said));
            }
            if let Some(said) = self.ask_ollama(remote, &id).await? {
                return Some(Some(said));
            }
            let listed = beside(base_url, "/api/v0/models");
            let listed = self.json(remote, &listed, None).await?;
            Some(answers::of_lm_studio(&listed, &id))
        };
        match said.await {
            None => Asked::Silent,
            Some(None) => Asked::SaysNothing,
            Some(Some(said)) => Asked::Said(said),
        }
    }

    async fn ask_ollama(&self, remote: &Remote<'_>, id: &str) -> Option<Option<Said>> {
        let running = beside(remote.base_url, "/api/ps");
        let running = self.json(remote, &running, None).await?;
        if !answers::is_of_ollama(&running) {
            return Some(None);
        }
        if let Some(said) = answers::of_ollama_running(&running, id) {
            return Some(Some(said));
        }
        let show = beside(remote.base_url, "/api/show");
        let shown = self
            .json(remote, &show, Some(json!({ "model": id })))
            .await?;
        Some(answers::of_ollama_model(&shown))
    }

    /// What a route answers; `null` when that is no success or no JSON. `None`: nothing.
    async fn json(&self, remote: &Remote<'_>, url: &Url, body: Option<Value>) -> Option<Value> {
        let (key, protocol) = (remote.key().ok()?, remote.protocol);
        let call = match body {
            Some(body) => Call::post(url, protocol, key, body.to_string().into_bytes()),
            None => Call::get(url, protocol, key),
        };
        let call = call.ok()?;
        let response = self.transport.send(&call).await.ok()?;
        if !response.status().is_success() {
            return Some(Value::Null);
        }
        let body = read_whole(response.into_body(), LIMIT).await.ok()?;
        let value = body.and_then(|body| serde_json::from_slice(&body).ok());
        Some(value.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::Provider;
    use nexus_core::catalog::{Endpoint, Protocol, Timeouts};
    use nexus_core::egress::Secrets;

    use super::*;

    fn is_asked(base_url: &str, has_key: bool) -> bool {
        let site = base_url.trim_end_matches("/v1").parse().expect("a server");
        let base_url = Url::parse(base_url).expect("a URL");
        let secrets = Secrets::new(|_| Some("sk-0123456789".to_owned())).pin("KEY", [site]);
        let key = secrets.key("KEY", &base_url).expect("it is pinned");
        let provider = Provider {
            name: "some".into(),
            endpoint: Endpoint::Remote {
                protocol: Protocol::OpenAi,
                base_url,
                credential: if has_key {
                    Credential::Key(key.expect("it is set"))
                } else {
                    Credential::NotNeeded
                },
            },
            timeouts: Timeouts::default(),
        };
        Remote::of(&provider).is_some_and(|it| it.is_of_ones_own())
    }

    #[test]
    fn a_hosted_provider_is_not_asked() {
        for url in ["https://api.openai.com/v1", "https://8.8.8.8/v1"] {
            assert!(!is_asked(url, true), "{url}");
            assert!(is_asked(url, false), "{url} without a key");
        }
        for url in [
            "http://127.0.0.1:11434/v1",
            "http://192.168.1.20:8000/v1",
            "http://[fe80::1]:8080/v1",
            "http://ollama:11434/v1",
        ] {
            assert!(is_asked(url, true) && is_asked(url, false), "{url}");
        }
    }
}
