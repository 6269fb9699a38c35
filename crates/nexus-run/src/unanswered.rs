//! What a question keeps of a run that gave no answer: why there is none, and what was used. The
//! orchestrator calls it.

use nexus_api::event as api;
use nexus_core::{Message, Metadata};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::context::RunContext;
use crate::error::RunError;
use crate::orchestrator::Orchestrator;

/// Everything that a question may keep.
const KEPT: [&str; 8] = [
    "model",
    "fallback_for",
    "template_version",
    "finish_reason",
    "interrupted",
    "error",
    "usage",
    "usage_estimated",
];

/// Why a run broke off, as its `error` event says it. When to ask again is left out: that is over
/// once it is read.
pub(crate) fn facts(error: &RunError) -> Map<String, Value> {
    let told = error.to_event().failure().map(|told| api::RunError {
        retry_after: None,
        ..told
    });
    Map::from_iter([
        ("interrupted".to_owned(), error.code().into()),
        ("error".to_owned(), json!(told)),
    ])
}

impl Orchestrator {
    /// Stores with the question why there is no answer to it.
    pub(crate) async fn note_error(&self, run: &RunContext, error: &RunError) {
        // A store that does not take an answer takes no reason either.
        if !matches!(error, RunError::AnswerNotStored(_) | RunError::Store(_)) {
            self.note(run, facts(error)).await;
        }
    }

    /// Stores facts with the question of a run, in place of those of an earlier attempt.
    pub(crate) async fn note(&self, run: &RunContext, facts: Map<String, Value>) {
        let Some(question) = &run.human else { return };
        let mut metadata = without_facts(question);
        metadata.extend(facts);
        self.set_metadata(run, question, metadata).await;
    }

    /// Removes what an earlier attempt left with the question.
    pub(crate) async fn forget_failure(&self, run: &RunContext) {
        let Some(question) = &run.human else { return };
        let metadata = without_facts(question);
        if metadata.len() < question.metadata.to_map().len() {
            self.set_metadata(run, question, metadata).await;
        }
    }

    async fn set_metadata(
        &self,
        run: &RunContext,
        question: &Message,
        metadata: Map<String, Value>,
    ) {
        let metadata = Metadata::from(metadata);
        let set = self
            .store
            .set_metadata(&run.identity, &question.id, metadata);
        let stopping = async {
            run.stopping.cancelled().await;
            sleep(self.runs.patience.stopping).await;
        };
        // Once only: a store waits no longer than its own deadline.
        tokio::select! {
            biased;
            set = set => if let Err(error) = set {
                tracing::warn!(%error, "how a run ended is not stored with its question");
            },
            () = stopping => tracing::warn!("how a run ended is not stored with its question"),
        }
    }
}

fn without_facts(question: &Message) -> Map<String, Value> {
    let mut metadata = question.metadata.to_map();
    metadata.retain(|name, _| !KEPT.contains(&name.as_str()));
    metadata
}
