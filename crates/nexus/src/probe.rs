//! Which providers and models can be asked now. All providers are asked at the same time.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use nexus_core::{Genesis, Model, Provider};
use nexus_llm::Reachability;

use crate::wire::Client;

/// What asking every provider gave.
pub(crate) struct Probed(HashMap<Arc<str>, Reachability>);

/// What is known of a provider or a model, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ready(String),
    /// It has no key.
    NeedsKey(String),
    /// Nexus does not connect to its address.
    Refused(String),
    /// It does not answer, or does not serve this.
    Unreachable(String),
}

impl Probed {
    pub(crate) async fn ask(client: &Client, genesis: &Genesis) -> Self {
        let ask = async |provider: &Arc<Provider>| {
            (Arc::clone(&provider.name), client.probe(provider).await)
        };
        let answers = join_all(genesis.providers().iter().map(ask)).await;
        answers.into_iter().collect()
    }

    pub(crate) fn provider(&self, provider: &Provider) -> Status {
        match self.0.get(&provider.name) {
            Some(Reachability::Builtin) => Status::Ready("ready, in this program".to_owned()),
            Some(Reachability::Ready { models }) => Status::Ready(match models.len() {
                0 => "ready".to_owned(),
                1 => "ready with 1 model".to_owned(),
                count => format!("ready with {count} models"),
            }),
            Some(Reachability::MissingKey { variable }) => Status::NeedsKey(variable.clone()),
            Some(Reachability::Refused { reason }) => Status::Refused(reason.clone()),
            Some(Reachability::Silent { reason }) => Status::Unreachable(reason.clone()),
            None => Status::Unreachable("it was not asked".to_owned()),
        }
    }

    pub(crate) fn model(&self, model: &Model) -> Status {
        match self.0.get(&model.provider.name) {
            Some(Reachability::Builtin) => Status::Ready("ready".to_owned()),
            Some(Reachability::Ready { models }) => match models.first() {
                Some(first) if &*model.id == "auto" => Status::Ready(format!("ready: {first}")),
                None if &*model.id == "auto" => {
                    Status::Unreachable("the server lists no model: load one".to_owned())
                }
                Some(_) if !models.iter().any(|id| **id == *model.id) => {
                    Status::Unreachable(format!("the provider does not list {}", model.id))
                }
                _ => Status::Ready("ready".to_owned()),
            },
            _ => self.provider(&model.provider),
        }
    }

    /// The first model, in the order of the template, that can be asked and that the template lets
    /// people have.
    pub(crate) fn first_reachable<'a>(&self, genesis: &'a Genesis) -> Option<&'a Arc<Model>> {
        let admitted = genesis.choosable_models();
        let mut catalog = genesis.catalog().iter();
        catalog.find(|model| {
            admitted.iter().any(|name| **name == *model.name)
                && matches!(self.model(model), Status::Ready(_))
        })
    }
}

impl FromIterator<(Arc<str>, Reachability)> for Probed {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Reachability)>>(answers: T) -> Self {
        Self(answers.into_iter().collect())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(what) => f.write_str(what),
            Self::NeedsKey(variable) => write!(f, "no key: set {variable}"),
            Self::Refused(reason) => write!(f, "not asked: {reason}"),
            Self::Unreachable(reason) => write!(f, "does not answer: {reason}"),
        }
    }
}
