//! What has to be known before the first byte of an answer leaves: whether it failed, and which model
//! answers. So a failure that a program can do something about comes with its status.

use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue};
use nexus_core::event::{Channel, RunFinished, RunStarted};
use nexus_core::{PublicKey, RunEvent};

use crate::{ApiError, AppState, Member, run_headers};

/// A run whose answer has begun.
pub(super) struct Begun<S> {
    started: RunStarted,
    /// What came so far.
    events: Vec<RunEvent>,
    /// What follows.
    rest: S,
}

impl<S: Stream<Item = RunEvent> + Unpin> Begun<S> {
    /// Waits for the first word, or for the end.
    ///
    /// # Errors
    /// When the run failed, or somebody asks who is no member.
    pub(super) async fn wait(
        mut run: S,
        state: &AppState,
        key: PublicKey,
    ) -> Result<Self, ApiError> {
        let mut started = None;
        let mut events = Vec::new();
        while let Some(event) = run.next().await {
            let is_prelude = match &event {
                RunEvent::Error { .. } => {
                    end(run).await;
                    return Err(event.into());
                }
                RunEvent::TextChunk {
                    channel: Channel::Guidance,
                    ..
                } => {
                    end(run).await;
                    return Err(not_let_in(state, key).await);
                }
                RunEvent::RunStarted(first) => {
                    started = Some(first.clone());
                    true
                }
                RunEvent::Fallback(fallback) => {
                    if let Some(started) = &mut started {
                        started.model = Some(fallback.model.clone());
                    }
                    true
                }
                RunEvent::Notice(_) => true,
                _ => false,
            };
            events.push(event);
            if !is_prelude {
                break;
            }
        }
        Ok(Self {
            started: started.ok_or_else(ApiError::unexplained)?,
            events,
            rest: run,
        })
    }

    /// All events of the run.
    pub(super) fn into_events(self) -> impl Stream<Item = RunEvent> {
        stream::iter(self.events).chain(self.rest)
    }

    /// The run, the model that answers, and what of the request holds in another way.
    pub(super) fn headers(&self, state: &AppState) -> HeaderMap {
        let mut headers = run_headers::of_run(state, &self.started);
        let adjusted: Vec<_> = self.started.notices.iter().map(|it| &*it.field).collect();
        if !adjusted.is_empty()
            && let Ok(adjusted) = HeaderValue::try_from(adjusted.join(", "))
        {
            headers.insert("x-nexus-adjusted", adjusted);
        }
        headers
    }
}

/// Reads a run to its end. `take` is handed each event.
///
/// # Errors
/// When the run failed, also in the middle.
pub(super) async fn hear_out(
    events: impl Stream<Item = RunEvent>,
    mut take: impl FnMut(RunEvent),
) -> Result<RunFinished, ApiError> {
    let mut events = std::pin::pin!(events);
    let (mut failure, mut end) = (None, None);
    while let Some(event) = events.next().await {
        match event {
            RunEvent::Error { .. } => failure = Some(ApiError::from(event)),
            RunEvent::RunFinished(finished) => end = Some(finished),
            event => take(event),
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => end.ok_or_else(ApiError::unexplained),
    }
}

/// A run that failed still has something to write down.
async fn end(mut run: impl Stream<Item = RunEvent> + Unpin) {
    while run.next().await.is_some() {}
}

/// Why a run had nothing but guidance for somebody.
pub(super) async fn not_let_in(state: &AppState, key: PublicKey) -> ApiError {
    match state.orchestrator.gate.admit(key).await {
        Ok(admission) => match Member::try_from(admission) {
            // Let in since then.
            Ok(_) => ApiError::not_a_member(),
            Err(error) => error,
        },
        Err(error) => error.into(),
    }
}
