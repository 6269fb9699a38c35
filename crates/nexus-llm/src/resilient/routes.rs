//! What is known of each model at each provider, shared by all requests. A healthy request reads a
//! map, counts itself, and leaves one sample.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use nexus_core::Model;
use tokio::time::Instant;

use super::breaker::{Admission, Breaker, Change, Sample, Trouble};
use super::budget::Budget;
use crate::{LlmError, RetryHint};

/// How many models are remembered. Templates come and go, so old ones are forgotten.
const MOST: usize = 1024;

/// By provider, then by what the provider calls the model.
#[derive(Debug, Default)]
pub(super) struct Routes(RwLock<HashMap<Arc<str>, Provider>>);

#[derive(Debug)]
struct Provider {
    budget: Arc<Budget>,
    models: HashMap<Arc<str>, Arc<Route>>,
}

/// One model at one provider.
#[derive(Debug)]
pub(super) struct Route {
    provider: Arc<str>,
    model: Arc<str>,
    pub(super) budget: Arc<Budget>,
    breaker: Mutex<Breaker>,
    /// The breaker lets everybody pass, so that nobody needs to lock it for that.
    is_calm: AtomicBool,
}

/// May be used for one request. Dropped without a word, it says that the request was given up.
#[derive(Debug)]
pub(super) struct Permit {
    route: Option<Arc<Route>>,
    is_probe: bool,
}

/// Why a model is not asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    Cooling(Duration),
    Resting(Duration),
}

impl Routes {
    pub(super) fn find(&self, model: &Model) -> Option<Arc<Route>> {
        let providers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let provider = providers.get(&model.provider.name)?;
        provider.models.get(&model.id).map(Arc::clone)
    }

    /// The route to a model, made when it is asked for the first time.
    pub(super) fn of(&self, model: &Model) -> Arc<Route> {
        if let Some(known) = self.find(model) {
            return known;
        }
        let now = Instant::now();
        let mut providers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if providers.values().map(|it| it.models.len()).sum::<usize>() >= MOST {
            providers.clear();
        }
        let name = &model.provider.name;
        let provider = providers
            .entry(Arc::clone(name))
            .or_insert_with(|| Provider {
                budget: Arc::new(Budget::new(now)),
                models: HashMap::new(),
            });
        let budget = Arc::clone(&provider.budget);
        let route = provider.models.entry(Arc::clone(&model.id));
        Arc::clone(route.or_insert_with(|| {
            Arc::new(Route {
                provider: Arc::clone(name),
                model: Arc::clone(&model.id),
                budget,
                breaker: Mutex::new(Breaker::new(now)),
                is_calm: AtomicBool::new(true),
            })
        }))
    }
}

impl Route {
    pub(super) fn provider(&self) -> &str {
        &self.provider
    }

    pub(super) fn admit(self: &Arc<Self>, now: Instant) -> Result<Permit, Refusal> {
        let admission = if self.is_calm.load(Ordering::Relaxed) {
            Admission::Pass
        } else {
            self.change(|breaker| breaker.admit(now))
        };
        let permit = |is_probe| {
            let route = Some(Arc::clone(self));
            Ok(Permit { route, is_probe })
        };
        match admission {
            Admission::Pass => permit(false),
            Admission::Probe => permit(true),
            Admission::Cooling(wait) => Err(Refusal::Cooling(wait)),
            Admission::Resting(wait) => Err(Refusal::Resting(wait)),
        }
    }

    /// Learns from a request that was not a probe.
    pub(super) fn record(&self, sample: Sample, now: Instant) {
        let change = self.change(|breaker| breaker.record(sample, now));
        self.log(change);
    }

    pub(super) fn cool_down(&self, wait: Duration, now: Instant) {
        self.change(|breaker| breaker.cool_down(wait, now));
    }

    pub(super) fn is_open(&self) -> bool {
        !self.is_calm.load(Ordering::Relaxed) && self.breaker().is_open()
    }

    pub(super) fn trouble(&self, now: Instant) -> Option<Trouble> {
        self.breaker().trouble(now)
    }

    fn probed(&self, sample: Sample, now: Instant) {
        let change = self.change(|breaker| breaker.probed(sample, now));
        self.log(change);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = self.breaker();
        let result = change(&mut breaker);
        let is_calm = breaker.is_calm();
        // A healthy request changes nothing here, and leaves the cell in everybody's cache.
        if self.is_calm.load(Ordering::Relaxed) != is_calm {
            self.is_calm.store(is_calm, Ordering::Relaxed);
        }
        result
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, change: Option<Change>) {
        let (provider, model) = (&*self.provider, &*self.model);
        match change {
            None => {}
            Some(Change::Opened) => {
                tracing::warn!(provider, model, "a model fails too often and is left alone");
            }
            Some(Change::Closed) => tracing::info!(provider, model, "a model answers again"),
            Some(Change::Misconfigured(status)) => tracing::error!(
                provider,
                model,
                status,
                "a provider refuses its key: check the key in its environment variable, and what \
                 the key may do"
            ),
        }
    }
}

impl Permit {
    /// Says what the request showed.
    pub(super) fn settle(mut self, sample: Sample) {
        self.tell(sample);
    }

    fn tell(&mut self, sample: Sample) {
        let Some(route) = self.route.take() else {
            return;
        };
        if self.is_probe {
            route.probed(sample, Instant::now());
        } else if sample != Sample::Nothing {
            route.record(sample, Instant::now());
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.tell(Sample::Nothing);
    }
}

impl Refusal {
    pub(super) fn into_error(self, provider: &str) -> LlmError {
        let provider = provider.to_owned();
        match self {
            Self::Resting(retry_after) => LlmError::Unavailable {
                provider,
                retry_after,
            },
            Self::Cooling(wait) => LlmError::RateLimited {
                provider,
                hint: RetryHint {
                    after: Some(wait),
                    again: None,
                },
            },
        }
    }
}
