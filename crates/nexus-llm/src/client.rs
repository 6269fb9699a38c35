//! The [`LanguageModel`] that Nexus runs with: it asks the provider that a request's model names.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt, TryStreamExt};
use nexus_core::{Model, Provider};
use nexus_egress::{AddressRules, SetupError};

use crate::remote::{Diagnosis, Reachability, Remote, Wire};
use crate::transport::Transport;
use crate::{ChatRequest, ContextLength, Delta, LanguageModel, LlmError, Timers, builtin};

/// Asks models over pooled connections. Clones share the pool.
#[derive(Clone, Debug)]
pub struct LlmClient {
    wire: Arc<Wire>,
}

impl LlmClient {
    /// A client without connections yet, which will connect to what `rules` allow.
    pub fn new(timers: Timers, rules: AddressRules) -> Result<Self, SetupError> {
        let transport = Transport::new(timers.connect, rules)?;
        Ok(Self {
            wire: Arc::new(Wire::new(transport, timers)),
        })
    }

    /// Whether a provider can be asked now, and what it serves. It takes at most a few seconds.
    pub async fn probe(&self, provider: &Provider) -> Reachability {
        match Remote::of(provider) {
            None => Reachability::Builtin,
            Some(remote) => self.wire.probe(&remote).await,
        }
    }

    /// The same, with everything that asking shows. It takes at most `patience`.
    pub async fn diagnose(&self, provider: &Provider, patience: Duration) -> Diagnosis {
        match Remote::of(provider) {
            None => Diagnosis {
                reach: Reachability::Builtin,
                obstacle: None,
                took: Duration::ZERO,
                server_time: None,
            },
            Some(remote) => self.wire.diagnose(&remote, patience).await,
        }
    }
}

impl LanguageModel for LlmClient {
    fn stream(&self, request: Arc<ChatRequest>) -> BoxStream<'static, Result<Delta, LlmError>> {
        let wire = Arc::clone(&self.wire);
        let open = async move {
            let remote = Remote::of(&request.model.provider);
            match remote {
                None => Ok(builtin::echo(&request).left_stream()),
                Some(remote) => wire
                    .ask(&remote, &request)
                    .await
                    .map(StreamExt::right_stream),
            }
        };
        stream::once(open).try_flatten().boxed()
    }

    fn context_length<'a>(&'a self, model: &'a Model) -> BoxFuture<'a, Option<ContextLength>> {
        async move {
            let remote = Remote::of(&model.provider)?;
            self.wire.context_length(&remote, model).await
        }
        .boxed()
    }
}
