//! The runs in progress: those of this node, and how nodes tell each other of theirs. The
//! orchestrator begins and ends them; people list and cancel them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nexus_core::{Clock as _, Member, MessageId, NodeId, PublicKey, RunId, SystemClock};
use nexus_store::{ActiveRun, Store, StoreError};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::again;
use crate::error::RunError;
use crate::limiter::Sharing;
use crate::orchestrator::Orchestrator;
use crate::saving::Patience;
use crate::stream::Canceller;

/// How often nodes hear of each other's runs.
const PERIOD: Duration = Duration::from_millis(500);
/// How often a node renews its runs.
const RENEW: Duration = Duration::from_secs(3);
/// How long a run that is cancelled is waited for.
const CANCELLING: Duration = Duration::from_secs(5);

/// The name of a run: a run id means something to its owner only.
type Name = (PublicKey, RunId);

/// The runs in progress on this node.
pub struct Runs {
    node: NodeId,
    sharing: Sharing,
    here: Mutex<HashMap<Name, Entry>>,
    /// What has ended here, and other nodes believe in progress.
    ended: Mutex<Vec<ActiveRun>>,
    unsaved: AtomicU64,
    pub(crate) patience: Patience,
}

struct Entry {
    run: ActiveRun,
    cancel: Canceller,
    /// Cancelled when the run has ended, and what came of its answer is stored.
    ended: CancellationToken,
    /// Whether the other nodes know.
    is_told: bool,
}

/// What became of a run that was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It has ended, and what came of its answer is stored.
    Ended,
    /// It was told to stop and has not ended yet.
    Stopping,
}

impl Default for Runs {
    fn default() -> Self {
        Self::new(Sharing::Alone)
    }
}

impl Runs {
    /// No runs yet.
    #[must_use]
    pub fn new(sharing: Sharing) -> Self {
        Self {
            node: NodeId::new(SystemClock.now()),
            sharing,
            here: Mutex::default(),
            ended: Mutex::default(),
            unsaved: AtomicU64::default(),
            patience: Patience::default(),
        }
    }

    /// The same, with another patience with the store.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// How many answers, or parts of one, could not be stored since the server started.
    #[must_use]
    pub fn unsaved(&self) -> u64 {
        self.unsaved.load(Ordering::Relaxed)
    }

    pub(crate) fn count_unsaved(&self) {
        self.unsaved.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a run is in progress here, until what this gives is dropped.
    ///
    /// # Errors
    /// When one of the same name is.
    pub(crate) fn begin(
        &self,
        run: ActiveRun,
        cancel: Canceller,
    ) -> Result<InProgress<'_>, RunError> {
        let name = (run.owner, run.run_id.clone());
        let mut here = lock(&self.here);
        if here.contains_key(&name) {
            return Err(RunError::RunInProgress);
        }
        let entry = Entry {
            run,
            cancel,
            ended: CancellationToken::new(),
            is_told: false,
        };
        here.insert(name.clone(), entry);
        drop(here);
        Ok(InProgress { runs: self, name })
    }

    fn of(&self, owner: PublicKey) -> Vec<ActiveRun> {
        let here = lock(&self.here);
        let mine = here.values().filter(|entry| entry.run.owner == owner);
        mine.map(|entry| entry.run.clone()).collect()
    }

    /// Cancels a run here, and gives what tells its end.
    fn cancel(&self, name: &Name) -> Option<CancellationToken> {
        let (cancel, ended) = {
            let here = lock(&self.here);
            let entry = here.get(name)?;
            (entry.cancel.clone(), entry.ended.clone())
        };
        // It waits until the run can be taken over, and the run looks into the same table.
        cancel.cancel();
        Some(ended)
    }

    /// Tells the other nodes of a run, and whether one of them has it in progress.
    async fn tell(&self, store: &dyn Store, name: &Name) -> Result<(), StoreError> {
        let untold = |entry: &&Entry| !entry.is_told;
        let Some(run) = lock(&self.here)
            .get(name)
            .filter(untold)
            .map(|it| it.run.clone())
        else {
            return Ok(());
        };
        store.begin_run(&run, &self.node).await?;
        match lock(&self.here).get_mut(name) {
            Some(entry) if entry.run == run => entry.is_told = true,
            // It has ended meanwhile.
            _ => lock(&self.ended).push(run),
        }
        Ok(())
    }

    /// Tells the others what began and ended here, and cancels what they want cancelled.
    async fn exchange(&self, store: &dyn Store, renews: bool) -> Result<(), StoreError> {
        let names = |is_told| {
            let here = lock(&self.here);
            let these = here.iter().filter(|(_, entry)| entry.is_told == is_told);
            these.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        for name in names(false) {
            self.tell(store, &name).await?;
        }
        let ended = std::mem::take(&mut *lock(&self.ended));
        if !ended.is_empty()
            && let Err(error) = store.end_runs(&ended, &self.node).await
        {
            lock(&self.ended).extend(ended);
            return Err(error);
        }
        if names(true).is_empty() {
            return Ok(());
        }
        if renews {
            store.renew_runs(&self.node).await?;
        }
        for name in store.cancelled_runs(&self.node).await? {
            self.cancel(&name);
        }
        Ok(())
    }
}

/// A run in progress here.
pub(crate) struct InProgress<'a> {
    runs: &'a Runs,
    name: Name,
}

impl InProgress<'_> {
    /// Notes which question it answers.
    pub(crate) fn answers(&self, question: &MessageId) {
        if let Some(entry) = lock(&self.runs.here).get_mut(&self.name) {
            entry.run.message_id = Some(question.clone());
        }
    }

    /// Makes sure that it is in progress here only.
    ///
    /// # Errors
    /// When another node has it in progress, or the store does not know.
    pub(crate) async fn claim(&self, store: &dyn Store) -> Result<(), RunError> {
        if self.runs.sharing == Sharing::Alone {
            return Ok(());
        }
        match self.runs.tell(store, &self.name).await {
            Err(StoreError::Conflict { .. }) => Err(RunError::RunInProgress),
            told => Ok(told?),
        }
    }

    /// Tells the other nodes of it. Those that do not hear it now hear it soon.
    pub(crate) async fn announce(&self, store: &dyn Store) {
        if let Err(error) = self.claim(store).await {
            tracing::debug!(%error, "a run could not be told to the other nodes yet");
        }
    }
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        let Some(entry) = lock(&self.runs.here).remove(&self.name) else {
            return;
        };
        if entry.is_told {
            lock(&self.runs.ended).push(entry.run);
        }
        entry.ended.cancel();
    }
}

impl Orchestrator {
    /// Tells the other nodes of the runs in progress here, and cancels those that were cancelled
    /// there, until `stop`.
    pub async fn share_runs(self: Arc<Self>, stop: CancellationToken) {
        if self.runs.sharing == Sharing::Alone {
            return;
        }
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(PERIOD) => {}
            }
            let renews = renewed.elapsed() >= RENEW;
            if renews {
                renewed = Instant::now();
            }
            if let Err(error) = self.runs.exchange(&*self.store, renews).await {
                tracing::debug!(%error, "nodes could not tell each other of their runs");
            }
        }
    }

    /// The runs of `owner` in progress, on any node, oldest first.
    ///
    /// # Errors
    /// When the store does not say what is in progress on other nodes.
    pub async fn active_runs(&self, owner: PublicKey) -> Result<Vec<ActiveRun>, RunError> {
        let mut active = self.runs.of(owner);
        if self.runs.sharing == Sharing::Shared {
            let ended = lock(&self.runs.ended).clone();
            for run in self.store.active_runs(owner).await? {
                let is_known = active
                    .iter()
                    .chain(&ended)
                    .any(|it| it.run_id == run.run_id);
                if !is_known {
                    active.push(run);
                }
            }
        }
        active.sort_by(|a, b| (a.started_at, &a.run_id).cmp(&(b.started_at, &b.run_id)));
        Ok(active)
    }

    /// Stops a run wherever it is in progress, and waits some seconds until what came of its answer
    /// is stored. Of a run that has ended nothing changes.
    ///
    /// # Errors
    /// When there is no such run of `owner`.
    pub async fn cancel_run(&self, owner: &Member, run: &RunId) -> Result<Cancelled, RunError> {
        let key = owner.public_key;
        if let Some(ended) = self.runs.cancel(&(key, run.clone())) {
            return Ok(match timeout(CANCELLING, ended.cancelled()).await {
                Ok(()) => Cancelled::Ended,
                Err(_) => Cancelled::Stopping,
            });
        }
        if self.runs.sharing == Sharing::Shared && self.store.cancel_run(key, run).await? {
            let ended = async {
                while self
                    .active_runs(key)
                    .await?
                    .iter()
                    .any(|it| it.run_id == *run)
                {
                    sleep(PERIOD / 2).await;
                }
                Ok::<_, RunError>(Cancelled::Ended)
            };
            return timeout(CANCELLING, ended)
                .await
                .unwrap_or(Ok(Cancelled::Stopping));
        }
        match again::find(&*self.store, owner, run).await {
            Err(RunError::RunNotFound) => Err(RunError::NothingToCancel),
            found => found.map(|_| Cancelled::Ended),
        }
    }
}

/// Nothing in these sections can leave an entry half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
