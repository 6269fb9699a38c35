//! Requests, and what comes back.

use std::sync::Arc;

use futures_util::StreamExt;
use nexus_core::Model;
use nexus_core::catalog::{Credential, Endpoint, Protocol, Provider, Timeouts};
use nexus_core::egress::{PinnedKey, Secrets, authority};
use nexus_llm::{AddressRules, ChatRequest, Delta, LanguageModel, LlmClient, LlmError, Timers};
use nexus_test_support::model as test;
use url::Url;

pub(crate) const KEY: &str = "sk-canary-0123456789";

pub(crate) type Pieces = Vec<Result<Delta, LlmError>>;

pub(crate) fn client() -> LlmClient {
    client_with(Timers::default())
}

pub(crate) fn client_with(timers: Timers) -> LlmClient {
    let rules = AddressRules {
        loopback: true,
        ..AddressRules::default()
    };
    LlmClient::new(timers, rules).expect("a client")
}

pub(crate) fn provider(base_url: &str, credential: Credential) -> Arc<Provider> {
    speaking(Protocol::OpenAi, base_url, credential)
}

pub(crate) fn speaking(
    protocol: Protocol,
    base_url: &str,
    credential: Credential,
) -> Arc<Provider> {
    let base_url = Url::parse(base_url).expect("a URL");
    let endpoint = Endpoint::Remote {
        protocol,
        base_url,
        credential,
    };
    Arc::new(Provider {
        name: "acme".into(),
        endpoint,
        timeouts: Timeouts::default(),
    })
}

pub(crate) fn keyed(base_url: &str) -> Arc<Provider> {
    provider(base_url, Credential::Key(key(base_url)))
}

/// The key, for the server of `base_url`.
pub(crate) fn key(base_url: &str) -> PinnedKey {
    let base_url = Url::parse(base_url).expect("a URL");
    let site = format!("http://{}", authority(&base_url));
    let site = site.parse().expect("a server");
    let secrets = Secrets::new(|_| Some(KEY.to_owned())).pin("ACME_KEY", [site]);
    let key = secrets.key("ACME_KEY", &base_url).expect("it is pinned");
    key.expect("it is set")
}

pub(crate) fn model(provider: Arc<Provider>, id: &str) -> Model {
    Model {
        name: "model".into(),
        ..test::model(provider, id)
    }
}

pub(crate) fn asking(model: Model) -> ChatRequest {
    test::asking(model, "Say hello.")
}

/// A request for a stream.
pub(crate) fn request(base_url: &str) -> ChatRequest {
    asking(model(keyed(base_url), "model-id"))
}

/// A request in one of the protocols.
pub(crate) fn request_in(protocol: Protocol, base_url: &str) -> ChatRequest {
    let provider = speaking(protocol, base_url, Credential::Key(key(base_url)));
    asking(model(provider, "model-id"))
}

/// A request for an answer in one piece.
pub(crate) fn whole_request(base_url: &str) -> ChatRequest {
    asking(Model {
        streams: false,
        ..model(keyed(base_url), "model-id")
    })
}

pub(crate) async fn ask(model: &impl LanguageModel, request: ChatRequest) -> Pieces {
    model.stream(Arc::new(request)).collect().await
}

pub(crate) fn text(pieces: &Pieces) -> String {
    let texts = pieces.iter().filter_map(|piece| match piece {
        Ok(Delta::Text(text)) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// The error that is all there is.
#[track_caller]
pub(crate) fn only_error(pieces: Pieces) -> LlmError {
    match <[_; 1]>::try_from(pieces) {
        Ok([Err(error)]) => error,
        other => panic!("one error and nothing else was expected, not {other:?}"),
    }
}
