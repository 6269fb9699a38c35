//! Makes another model survive bad days: tries again, leaves alone what is down, asks somebody else,
//! and keeps all of it within one deadline. Everything here happens before the first piece has been
//! handed out. After it there is nothing to save: a second answer is never joined to a first.

mod breaker;
mod circuit;
mod plan;
mod routes;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};
use nexus_core::Model;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tower::retry::budget::Budget as _;

use self::routes::{Route, Routes};
use crate::{ChatRequest, ContextLength, Delta, LanguageModel, LlmError, Requester, Timers};

pub use self::breaker::Trouble;

type Pieces = BoxStream<'static, Result<Delta, LlmError>>;

/// How long one turn may wait because providers asked for it, in all.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a provider is left alone that limits requests and does not say for how long.
const COOLDOWN: Duration = Duration::from_secs(5);

/// Wraps a model. Clones share what is known about providers.
#[derive(Debug)]
pub struct Resilient<M> {
    shared: Arc<Shared<M>>,
}

#[derive(Debug)]
struct Shared<M> {
    inner: M,
    timers: Timers,
    routes: Routes,
    jitter: Jitter,
}

/// Spreads retries, so that many people do not come back at the same moment.
#[derive(Debug)]
pub struct Jitter(Mutex<fastrand::Rng>);

impl<M: LanguageModel + 'static> Resilient<M> {
    /// A wrapper that knows nothing of any provider yet.
    pub fn new(inner: M, timers: Timers, jitter: Jitter) -> Self {
        let shared = Shared {
            inner,
            timers,
            routes: Routes::default(),
            jitter,
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<M> Clone for Resilient<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M: LanguageModel + 'static> LanguageModel for Resilient<M> {
    fn stream(&self, request: Arc<ChatRequest>) -> Pieces {
        let shared = Arc::clone(&self.shared);
        let begin = async move { Turn::new(shared, &request).begin(request).await };
        stream::once(begin).try_flatten().boxed()
    }

    fn context_length<'a>(&'a self, model: &'a Model) -> BoxFuture<'a, Option<ContextLength>> {
        self.shared.inner.context_length(model)
    }

    fn trouble(&self, model: &Model) -> Option<Trouble> {
        self.shared.routes.find(model)?.trouble(Instant::now())
    }
}

/// One turn until its first piece.
struct Turn<M> {
    shared: Arc<Shared<M>>,
    deadline: Deadline,
    /// What may still be spent on waiting because providers asked for it.
    patience: Duration,
}

impl<M: LanguageModel> Turn<M> {
    fn new(shared: Arc<Shared<M>>, request: &ChatRequest) -> Self {
        let model = &request.model;
        let total = shared.timers.of(model).total(model.streams);
        Self {
            shared,
            deadline: Deadline::after(total),
            patience: PATIENCE,
        }
    }

    /// Asks the model, then its fallbacks. When nobody answers, the first error counts: it is about
    /// the model that was asked for.
    async fn begin(mut self, mut request: Arc<ChatRequest>) -> Result<Begun, LlmError> {
        let first_error = match self.ask(&request).await {
            Ok(found) => return Ok(self.begun(found, None)),
            Err(error) => error,
        };
        let mut last_error = None;
        while plan::concerns_only_one(last_error.as_ref().unwrap_or(&first_error))
            && !self.deadline.is_over()
            && let Some(fallback) = request.fallbacks.first()
        {
            let name = Arc::clone(&fallback.model.name);
            tracing::debug!(
                from = %request.model.name,
                to = %name,
                code = last_error.as_ref().unwrap_or(&first_error).code(),
                "a fallback is asked"
            );
            Arc::make_mut(&mut request).fall_back(&name);
            match self.ask(&request).await {
                Ok(found) => return Ok(self.begun(found, Some(name))),
                Err(error) => last_error = Some(error),
            }
        }
        Err(first_error)
    }

    /// Asks one model, again where that may help.
    async fn ask(&mut self, request: &Arc<ChatRequest>) -> Result<Found, LlmError> {
        let route = self.shared.routes.of(&request.model);
        route.budget.deposit();
        let mut was_asked = false;
        let mut tries = 0;
        loop {
            let error = match route.admit(request.requester, Instant::now()) {
                Err(refusal) => refusal.into_error(&request.model.provider.name),
                Ok(permit) => {
                    was_asked = true;
                    match self.first_piece(request).await {
                        Ok((first, rest)) => {
                            permit.settle(breaker::Sample::Answered);
                            return Ok(Found {
                                route,
                                requester: request.requester,
                                first,
                                rest,
                            });
                        }
                        Err(error) => {
                            permit.settle(plan::sample(&error));
                            error
                        }
                    }
                }
            };
            let may_again =
                plan::may_be_sent_again(&error) && !route.is_open_for(request.requester);
            let pause = may_again
                .then(|| self.pause(&route, &error, tries, was_asked))
                .flatten();
            let Some(pause) = pause else {
                if matches!(error, LlmError::RateLimited { .. }) && was_asked {
                    route.cool_down(error.retry_after().unwrap_or(COOLDOWN), Instant::now());
                }
                return Err(error);
            };
            tracing::debug!(
                provider = %request.model.provider.name,
                code = error.code(),
                pause_ms = pause.as_millis(),
                "trying again"
            );
            sleep(pause).await;
            tries += 1;
        }
    }

    async fn first_piece(
        &mut self,
        request: &Arc<ChatRequest>,
    ) -> Result<(Delta, Pieces), LlmError> {
        let mut pieces = self.shared.inner.stream(Arc::clone(request));
        let provider = || request.model.provider.name.to_string();
        let first = tokio::select! {
            biased;
            first = pieces.next() => first,
            () = &mut self.deadline.alarm => Some(Err(LlmError::TimedOut {
                provider: provider(),
                waited: self.deadline.total,
            })),
        };
        match first {
            Some(Ok(first)) => Ok((first, pieces)),
            Some(Err(error)) => Err(error),
            None => Err(LlmError::Interrupted {
                provider: provider(),
                reason: "it ended without saying so".to_owned(),
            }),
        }
    }

    /// How long to wait before the same model is asked again. `None`: not at all.
    fn pause(
        &mut self,
        route: &Route,
        error: &LlmError,
        tries: u32,
        was_asked: bool,
    ) -> Option<Duration> {
        if tries >= plan::RETRIES {
            return None;
        }
        let asked_for = error.retry_after().unwrap_or_default();
        let pause = asked_for + self.shared.jitter.backoff(tries);
        let now = Instant::now();
        let fits = asked_for <= self.patience && now + pause < self.deadline.at;
        // A wait before the first request to a provider is no retry.
        if !fits || (was_asked && !route.budget.withdraw()) {
            return None;
        }
        self.patience -= asked_for;
        Some(pause)
    }

    fn begun(self, found: Found, fallback: Option<Arc<str>>) -> Begun {
        Begun {
            fallback,
            first: Some(found.first),
            rest: Some(found.rest),
            route: found.route,
            requester: found.requester,
            deadline: self.deadline,
        }
    }
}

/// A model that answers.
struct Found {
    route: Arc<Route>,
    requester: Requester,
    first: Delta,
    rest: Pieces,
}

/// The end of a turn, whoever answers.
struct Deadline {
    at: Instant,
    total: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl Deadline {
    fn after(total: Duration) -> Self {
        let at = Instant::now() + total;
        Self {
            at,
            total,
            alarm: Box::pin(sleep_until(at)),
        }
    }

    fn is_over(&self) -> bool {
        self.at <= Instant::now()
    }
}

/// An answer from its first piece on.
struct Begun {
    fallback: Option<Arc<str>>,
    first: Option<Delta>,
    /// Gone when the answer is over.
    rest: Option<Pieces>,
    route: Arc<Route>,
    requester: Requester,
    deadline: Deadline,
}

impl Stream for Begun {
    type Item = Result<Delta, LlmError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(name) = this.fallback.take() {
            return Poll::Ready(Some(Ok(Delta::Fallback(name))));
        }
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let Some(rest) = &mut this.rest else {
            return Poll::Ready(None);
        };
        let piece = match rest.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(piece))) => return Poll::Ready(Some(Ok(piece))),
            Poll::Ready(end) => end,
            Poll::Pending => {
                ready!(this.deadline.alarm.as_mut().poll(cx));
                Some(Err(LlmError::Interrupted {
                    provider: this.route.provider().to_owned(),
                    reason: format!("it was still answering after {:?}", this.deadline.total),
                }))
            }
        };
        this.rest = None;
        if let Some(Err(error)) = &piece {
            let sample = plan::sample(error);
            this.route.record(this.requester, sample, Instant::now());
        }
        Poll::Ready(piece)
    }
}

impl Jitter {
    /// Differs from process to process.
    #[must_use]
    pub fn random() -> Self {
        Self(Mutex::new(fastrand::Rng::new()))
    }

    /// The same for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// Anything from nothing to twice as much as the time before.
    fn backoff(&self, tries: u32) -> Duration {
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plan::longest_backoff(tries).mul_f64(random.f64())
    }
}
