//! Whether a database can be used: its form is known, and its indexes are made.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::calls::{Calls, unavailable};
use super::data::Data;
use crate::StoreError;

/// How long to wait before the indexes are tried again.
const AGAIN: Duration = Duration::from_millis(500);

#[derive(Clone, Debug)]
enum State {
    /// Nothing is known yet.
    Starting,
    /// The indexes are there.
    Ready,
    /// They are not, and this is why. It is tried again.
    Waiting(StoreError),
}

/// What is known of it. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    data: Arc<Data>,
    calls: Calls,
    state: watch::Sender<State>,
    preparing: Arc<Mutex<Option<AbortHandle>>>,
}

impl Readiness {
    /// Nothing is known, and [`prepare`](Self::prepare) finds out.
    pub(super) fn new(data: Arc<Data>, calls: Calls) -> Self {
        Self {
            data,
            calls,
            state: watch::Sender::new(State::Starting),
            preparing: Arc::default(),
        }
    }

    /// The database.
    pub(super) fn data(&self) -> Arc<Data> {
        Arc::clone(&self.data)
    }

    /// Refuses what is asked of a database that cannot be used.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.state.borrow() {
            State::Ready => Ok(()),
            State::Waiting(error) => Err(error.clone()),
            State::Starting => Err(unavailable("the indexes of the database are being made")),
        }
    }

    /// Prepares the database in a task of its own, until it is done.
    pub(super) fn prepare(&self) {
        let mut preparing = self.preparing();
        if preparing.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let (data, state) = (Arc::clone(&self.data), self.state.clone());
        *preparing = Some(self.calls.keep(async move {
            while let Err(error) = data.prepare().await {
                wait(&state, error);
                sleep(AGAIN).await;
            }
            state.send_replace(State::Ready);
        }));
    }

    /// Waits until something is known. An index on a million messages takes longer than `limit`.
    pub(super) async fn settle(&self, limit: Duration) {
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| !matches!(state, State::Starting));
        _ = timeout(limit, known).await;
    }

    /// Asks the database whether a newer Nexus has taken it over. Then it is not used until that is
    /// undone.
    pub(super) async fn check_schema(&self) -> Result<(), StoreError> {
        let checked = self.data.schema().await.map(drop);
        if let Err(error @ StoreError::TooNew { .. }) = &checked {
            wait(&self.state, error.clone());
            self.prepare();
        }
        checked
    }

    /// Gives up.
    pub(super) fn stop(&self) {
        if let Some(task) = self.preparing().take() {
            task.abort();
        }
    }

    fn preparing(&self) -> std::sync::MutexGuard<'_, Option<AbortHandle>> {
        let lock = self.preparing.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says once why the database cannot be used.
fn wait(state: &watch::Sender<State>, error: StoreError) {
    let reason = error.to_string();
    let is_news = !matches!(&*state.borrow(), State::Waiting(known) if known.to_string() == reason);
    state.send_replace(State::Waiting(error));
    if is_news {
        tracing::warn!(reason, "the database cannot be used: trying again");
    }
}
