//! What is known of each model at each provider, shared by all requests. A healthy request reads a
//! map, counts itself, and leaves one sample.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use nexus_core::Model;
use tokio::time::Instant;
use tower::retry::budget::TpsBudget;

use super::breaker::{Admission, Change, Sample, Trouble};
use super::circuit::{Circuit, Probes};
use crate::{LlmError, Requester, RetryHint};

/// How many models are remembered. Templates come and go, so old ones are forgotten.
const MOST: usize = 1024;
/// For how long a request pays for retries, and a retry counts as spent.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
/// The retries that each second pays for, so that a quiet provider gets some.
const FLOOR_PER_SECOND: u32 = 1;
/// The retries that one request pays for.
const SHARE: f32 = 0.2;

/// By provider, then by what the provider calls the model.
#[derive(Debug, Default)]
pub(super) struct Routes(RwLock<HashMap<Arc<str>, Provider>>);

#[derive(Debug)]
struct Provider {
    budget: Arc<TpsBudget>,
    models: HashMap<Arc<str>, Arc<Route>>,
}

/// One model at one provider.
#[derive(Debug)]
pub(super) struct Route {
    provider: Arc<str>,
    model: Arc<str>,
    pub(super) budget: Arc<TpsBudget>,
    circuit: Mutex<Circuit>,
    /// The circuit lets everybody pass, so that nobody needs to lock it for that.
    is_calm: AtomicBool,
}

/// May be used for one request. Dropped without a word, it says that the request was given up.
#[derive(Debug)]
pub(super) struct Permit {
    route: Option<Arc<Route>>,
    requester: Requester,
    probes: Probes,
}

/// Why a model is not asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    Cooling(Duration),
    Resting(Duration),
}

/// How many retries a provider may get: one that fails for everybody must not be asked three times
/// as often for it.
fn retry_budget() -> TpsBudget {
    TpsBudget::new(BUDGET_WINDOW, FLOOR_PER_SECOND, SHARE)
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
                budget: Arc::new(retry_budget()),
                models: HashMap::new(),
            });
        let budget = Arc::clone(&provider.budget);
        let route = provider.models.entry(Arc::clone(&model.id));
        Arc::clone(route.or_insert_with(|| {
            Arc::new(Route {
                provider: Arc::clone(name),
                model: Arc::clone(&model.id),
                budget,
                circuit: Mutex::new(Circuit::new(now)),
                is_calm: AtomicBool::new(true),
            })
        }))
    }
}

impl Route {
    pub(super) fn provider(&self) -> &str {
        &self.provider
    }

    pub(super) fn admit(
        self: &Arc<Self>,
        requester: Requester,
        now: Instant,
    ) -> Result<Permit, Refusal> {
        let admission = if self.is_calm.load(Ordering::Relaxed) {
            Ok(Probes::default())
        } else {
            self.change(|circuit| circuit.admit(requester, now))
        };
        match admission {
            Ok(probes) => Ok(Permit {
                route: Some(Arc::clone(self)),
                requester,
                probes,
            }),
            Err(Admission::Cooling(wait)) => Err(Refusal::Cooling(wait)),
            Err(Admission::Resting(wait)) => Err(Refusal::Resting(wait)),
            Err(Admission::Pass | Admission::Probe) => Err(Refusal::Resting(Duration::ZERO)),
        }
    }

    /// Learns from a request that was not a probe.
    pub(super) fn record(&self, requester: Requester, sample: Sample, now: Instant) {
        self.settle(requester, Probes::default(), sample, now);
    }

    pub(super) fn cool_down(&self, wait: Duration, now: Instant) {
        self.change(|circuit| circuit.cool_down(wait, now));
    }

    pub(super) fn is_open_for(&self, requester: Requester) -> bool {
        !self.is_calm.load(Ordering::Relaxed) && self.circuit().is_open_for(requester)
    }

    pub(super) fn trouble(&self, now: Instant) -> Option<Trouble> {
        self.circuit().trouble(now)
    }

    fn settle(&self, requester: Requester, probes: Probes, sample: Sample, now: Instant) {
        let change = self.change(|circuit| circuit.settle(requester, probes, sample, now));
        self.log(change);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Circuit) -> T) -> T {
        let mut circuit = self.circuit();
        let result = change(&mut circuit);
        let is_calm = circuit.is_calm();
        // A healthy request changes nothing here, and leaves the cell in everybody's cache.
        if self.is_calm.load(Ordering::Relaxed) != is_calm {
            self.is_calm.store(is_calm, Ordering::Relaxed);
        }
        result
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
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
        if sample != Sample::Nothing || self.probes != Probes::default() {
            route.settle(self.requester, self.probes, sample, Instant::now());
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
