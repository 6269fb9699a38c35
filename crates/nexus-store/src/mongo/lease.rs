//! The lease of a node: taken on demand, renewed at half its life while requests come, by one
//! renewal at a time.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::calls::{Calls, unavailable};
use crate::StoreError;
use crate::lease::{LIFE, Lease, Purpose};

/// When a lease is renewed: at half its life.
const HALF: Duration = Duration::from_millis(500);

/// Proves that this node reads what is there.
#[async_trait]
pub(super) trait Renew: Debug + Send + Sync + 'static {
    /// Returns when everything that was acknowledged anywhere before this was called is included in
    /// what is read from now on. `true`: what is read may be kept.
    async fn renew(&self) -> Result<bool, StoreError>;
}

/// What to do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The lease will do.
    Use(Lease),
    /// It will do, and is to be renewed meanwhile.
    UseAndRenew(Lease),
    /// There is none that will do: the request waits for the renewal.
    Wait,
}

/// The lease in force, on the clock of its caller.
#[derive(Debug, Default)]
struct Term {
    /// The lease, its end, and when it is to be renewed.
    held: Option<(Lease, Instant, Instant)>,
}

impl Term {
    fn step(&self, purpose: Purpose, now: Instant) -> Step {
        match self.held.filter(|(_, end, _)| now < *end) {
            Some((lease, _, due)) if now < due => Step::Use(lease),
            Some((lease, ..)) if purpose == Purpose::Recall => Step::UseAndRenew(lease),
            _ => Step::Wait,
        }
    }

    /// Takes the lease that a renewal gave, which began at `sent`.
    fn take(&mut self, sent: Instant, is_kept: bool) -> Lease {
        let end = sent + LIFE;
        // In even steps, and not from each renewal anew: a reading that is kept until its lease ends
        // then finds the lease due, and is kept for a whole life again.
        let step = self.held.map(|(_, _, due)| due + HALF);
        let due = step.filter(|due| *due > sent).unwrap_or(sent + HALF);
        let lease = Lease::until(if is_kept { end } else { sent });
        self.held = Some((lease, end, due));
        lease
    }
}

/// When a renewal began, and what it gave.
type Renewed = Result<(Instant, Lease), StoreError>;

#[derive(Debug, Default)]
struct State {
    term: Term,
    renewal: Option<Renewal>,
}

/// A renewal on its way.
#[derive(Clone, Debug)]
struct Renewal {
    outcome: Shared<BoxFuture<'static, Renewed>>,
    task: AbortHandle,
}

/// Holds the lease of this node. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    renew: Arc<dyn Renew>,
    state: Arc<Mutex<State>>,
    calls: Calls,
}

impl Holder {
    /// Without a lease yet. Renewals run beside `calls`.
    pub(super) fn new(renew: impl Renew, calls: Calls) -> Self {
        Self {
            renew: Arc::new(renew),
            state: Arc::default(),
            calls,
        }
    }

    /// A lease that is live, or of a renewal that began after this was called.
    pub(super) async fn lease(&self, purpose: Purpose) -> Result<Lease, StoreError> {
        let asked = Instant::now();
        loop {
            let renewal = {
                let mut state = self.state();
                let step = state.term.step(purpose, Instant::now());
                if let Step::Use(lease) = step {
                    return Ok(lease);
                }
                let renewal = state.renewal.get_or_insert_with(|| self.begin());
                if let Step::UseAndRenew(lease) = step {
                    return Ok(lease);
                }
                renewal.outcome.clone()
            };
            let (sent, lease) = renewal.await?;
            // Also when it is over already: it is younger than the request.
            if sent >= asked {
                return Ok(lease);
            }
        }
    }

    /// Renews it in a task of its own: who asked may leave.
    fn begin(&self) -> Renewal {
        let (done, outcome) = oneshot::channel();
        let this = self.clone();
        let task = self.calls.keep(async move {
            let sent = Instant::now();
            let renewed = this.renew.renew().await;
            let mut state = this.state();
            state.renewal = None;
            let renewed = renewed.map(|is_kept| (sent, state.term.take(sent, is_kept)));
            drop(state);
            // None may be waiting for it.
            _ = done.send(renewed);
        });
        let closed = || Err(unavailable("the store is closed"));
        let outcome = async move { outcome.await.unwrap_or_else(|_| closed()) };
        let outcome = outcome.boxed().shared();
        Renewal { outcome, task }
    }

    /// Waits for no renewal any more.
    pub(super) fn stop(&self) {
        if let Some(renewal) = self.state().renewal.take() {
            renewal.task.abort();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
