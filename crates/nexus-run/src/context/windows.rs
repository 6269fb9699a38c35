//! How much the models can read, as far as it is known: from the catalog, and from what providers
//! counted and refused since this process started.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nexus_core::Model;
use nexus_llm::{ChatRequest, Requester, tokens};
use tokio::time::Instant;

/// Of how many pairs of person and model something is remembered.
const MOST: usize = 10_000;
/// How long a bound holds that a provider gave: it may have been given more room since.
const HOLDS: Duration = Duration::from_hours(1);
/// How far the count of a provider may be from an estimate, in thousandths.
const SCALE: std::ops::RangeInclusive<u64> = 500..=4_000;
/// Requests that are shorter, in tokens, say nothing about the scale.
const SHORT: u64 = 64;

/// What is known of each model, for each person: what a provider says when it refuses may quote what
/// one person sent, and so must not decide for another.
#[derive(Debug, Default)]
pub struct ContextWindows(Mutex<HashMap<Key, Learned>>);

/// Who asked, the provider's row, and what it calls the model.
type Key = (Requester, Arc<str>, Arc<str>);

#[derive(Clone, Copy, Debug)]
struct Learned {
    /// What the provider counts for a thousand estimated tokens.
    scale: u64,
    /// How many tokens it can read and write, as it said when it refused.
    limit: Option<(u64, Instant)>,
    /// The most estimated tokens that it read, after it refused more without saying how many.
    most: Option<(u64, Instant)>,
}

impl ContextWindows {
    /// How many estimated tokens may be sent, room for the answer kept. `told`: how much the model
    /// reads and writes, as its server says. `None`: that is not known.
    pub(crate) fn room(&self, request: &ChatRequest, told: Option<u64>) -> Option<u64> {
        let learned = self.learned(request);
        let holds = |(bound, since): (u64, Instant)| (since.elapsed() < HOLDS).then_some(bound);
        let declared = request.model.context_length.map(u64::from).or(told);
        let limits = [declared, learned.limit.and_then(holds)]
            .into_iter()
            .flatten();
        let by_limit = limits.min().map(|limit| learned.input(limit, request));
        let by_most = learned.most.and_then(holds);
        [by_limit, by_most].into_iter().flatten().min()
    }

    /// Learns from an answer to a request of so many estimated tokens.
    pub(crate) fn answered(
        &self,
        request: &ChatRequest,
        model: &Model,
        estimated: u64,
        counted: Option<u64>,
    ) {
        self.learn(key(request.requester, model), |learned| {
            if let Some(counted) = counted.filter(|_| estimated >= SHORT) {
                let scale = counted.saturating_mul(1_000) / estimated;
                learned.scale = scale.clamp(*SCALE.start(), *SCALE.end());
            }
            // It read more than it said.
            learned.limit = learned.limit.filter(|(limit, _)| estimated <= *limit);
            if let Some((most, _)) = &mut learned.most {
                *most = estimated.max(*most);
            }
        });
    }

    /// Learns from a refusal. Gives whether the limit that the provider named explains it.
    pub(crate) fn refused(&self, request: &ChatRequest, limit: Option<u64>) -> bool {
        let estimated = tokens::of_request(request);
        let mut is_explained = false;
        self.learn(key(request.requester, &request.model), |learned| {
            if let Some(limit) = limit.filter(|it| estimated > learned.input(*it, request)) {
                learned.limit = Some((limit, Instant::now()));
                is_explained = true;
            }
        });
        is_explained
    }

    /// Learns that a model reads so many estimated tokens, and not many more.
    pub(crate) fn reads(&self, request: &ChatRequest, model: &Model, estimated: u64) {
        self.learn(key(request.requester, model), |learned| {
            learned.most = Some((estimated, Instant::now()));
        });
    }

    fn learned(&self, request: &ChatRequest) -> Learned {
        let key = key(request.requester, &request.model);
        let known = self.lock().get(&key).copied();
        known.unwrap_or_default()
    }

    fn learn(&self, key: Key, change: impl FnOnce(&mut Learned)) {
        let mut known = self.lock();
        if known.len() >= MOST && !known.contains_key(&key) {
            known.clear();
        }
        change(known.entry(key).or_default());
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

fn key(requester: Requester, model: &Model) -> Key {
    let provider = Arc::clone(&model.provider.name);
    (requester, provider, Arc::clone(&model.id))
}
