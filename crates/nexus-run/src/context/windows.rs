//! How much the models can read, as far as it is known: from the catalog, and from what providers
//! counted and refused since this process started.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nexus_core::Model;
use nexus_llm::{ChatRequest, tokens};
use tokio::time::Instant;

/// Of how many models something is remembered.
const MOST_MODELS: usize = 1_000;
/// How long a bound holds that a provider did not name: it may have been given more room since.
const HOLDS: Duration = Duration::from_hours(1);
/// How far the count of a provider may be from an estimate, in thousandths.
const SCALE: std::ops::RangeInclusive<u64> = 500..=4_000;
/// Requests that are shorter, in tokens, say nothing about the scale.
const SHORT: u64 = 64;

/// What is known of each model.
#[derive(Debug, Default)]
pub struct ContextWindows(Mutex<HashMap<Key, Learned>>);

/// The provider's row, and what it calls the model.
type Key = (Arc<str>, Arc<str>);

#[derive(Clone, Copy, Debug)]
struct Learned {
    /// What the provider counts for a thousand estimated tokens.
    scale: u64,
    /// How many tokens it can read and write, as it said when it refused.
    limit: Option<u64>,
    /// The most estimated tokens that it read, after it refused more without saying how many.
    most: Option<(u64, Instant)>,
}

impl ContextWindows {
    /// How many estimated tokens may be sent, room for the answer kept. `None`: that is not known.
    pub(crate) fn room(&self, request: &ChatRequest) -> Option<u64> {
        let learned = self.learned(&request.model);
        let declared = request.model.context_length.map(u64::from);
        let limits = [declared, learned.limit].into_iter().flatten();
        let by_limit = limits.min().map(|limit| learned.input(limit, request));
        let by_most = learned
            .most
            .and_then(|(most, since)| (since.elapsed() < HOLDS).then_some(most));
        [by_limit, by_most].into_iter().flatten().min()
    }

    /// Learns from an answer to a request of so many estimated tokens.
    pub(crate) fn answered(&self, model: &Model, estimated: u64, counted: Option<u64>) {
        self.learn(model, |learned| {
            if let Some(counted) = counted.filter(|_| estimated >= SHORT) {
                let scale = counted.saturating_mul(1_000) / estimated;
                learned.scale = scale.clamp(*SCALE.start(), *SCALE.end());
            }
            if let Some((most, _)) = &mut learned.most {
                *most = estimated.max(*most);
            }
        });
    }

    /// Learns from a refusal. Gives whether the limit that the provider named explains it.
    pub(crate) fn refused(&self, request: &ChatRequest, limit: Option<u64>) -> bool {
        let estimated = tokens::of_request(request);
        let mut is_explained = false;
        self.learn(&request.model, |learned| {
            if let Some(limit) = limit.filter(|it| estimated > learned.input(*it, request)) {
                learned.limit = Some(limit);
                is_explained = true;
            }
        });
        is_explained
    }

    /// Learns that a model reads so many estimated tokens, and not many more.
    pub(crate) fn reads(&self, model: &Model, estimated: u64) {
        self.learn(model, |learned| {
            learned.most = Some((estimated, Instant::now()));
        });
    }

    fn learned(&self, model: &Model) -> Learned {
        let known = self.lock().get(&key(model)).copied();
        known.unwrap_or_default()
    }

    fn learn(&self, model: &Model, change: impl FnOnce(&mut Learned)) {
        let mut models = self.lock();
        let key = key(model);
        if models.len() >= MOST_MODELS && !models.contains_key(&key) {
            models.clear();
        }
        change(models.entry(key).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Learned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            scale: 1_000,
            limit: None,
            most: None,
        }
    }
}

impl Learned {
    /// How many estimated tokens of input fit, where `limit` tokens are read and written.
    fn input(self, limit: u64, request: &ChatRequest) -> u64 {
        // However long the answer may become, half is left for what is asked.
        let answer = tokens::of_longest_answer(request).min(limit / 2);
        (limit - answer).saturating_mul(1_000) / self.scale
    }
}

fn key(model: &Model) -> Key {
    (Arc::clone(&model.provider.name), Arc::clone(&model.id))
}
