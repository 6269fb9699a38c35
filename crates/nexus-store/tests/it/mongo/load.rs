//! People who talk while something goes wrong, and what they were told.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nexus_core::{Identity, MessageId, Role, Standing};
use nexus_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::contract::messages::walk;
use crate::samples::{at, key, message};

const PEOPLE: u64 = 8;
/// How often each of them says something.
const PACE: Duration = Duration::from_millis(50);

/// A light load: each person stores one message after the other, and repeats what was refused.
pub(crate) struct Load {
    store: Arc<dyn Store>,
    people: Vec<Identity>,
    running: JoinSet<Ledger>,
    told: watch::Sender<Told>,
    stop: watch::Sender<bool>,
}

/// What all of them were told so far.
#[derive(Clone, Copy, Default)]
struct Told {
    stored: u64,
    refused: u64,
}

/// What one of them was told in the end.
#[derive(Default)]
struct Ledger {
    acknowledged: Vec<MessageId>,
    longest: Duration,
}

/// What all of them were told, compared with what is there.
pub(crate) struct Outcome {
    acknowledged: usize,
    refused: u64,
    lost: usize,
    doubled: usize,
    longest: Duration,
}

impl Load {
    pub(crate) async fn start(store: Arc<dyn Store>) -> Self {
        let mut load = Self {
            people: Vec::new(),
            running: JoinSet::new(),
            told: watch::Sender::default(),
            stop: watch::Sender::default(),
            store,
        };
        for number in 0..PEOPLE {
            let created = load
                .store
                .create_identity(key(number), Standing::Active, at(0))
                .await;
            let person = created.unwrap().identity;
            let (store, told) = (Arc::clone(&load.store), load.told.clone());
            let stop = load.stop.subscribe();
            load.people.push(person.clone());
            load.running.spawn(talk(store, person, told, stop));
        }
        load.goes_on().await;
        load
    }

    /// Waits until more is acknowledged: nobody has restarted anything of Nexus for it.
    pub(crate) async fn goes_on(&self) -> Duration {
        let since = Instant::now();
        let wanted = self.told.borrow().stored + 5 * PEOPLE;
        self.wait_for(|told| told.stored >= wanted).await;
        since.elapsed()
    }

    /// Waits until somebody is refused.
    pub(crate) async fn is_refused(&self) {
        let wanted = self.told.borrow().refused + 1;
        self.wait_for(|told| told.refused >= wanted).await;
    }

    pub(crate) fn stored(&self) -> u64 {
        self.told.borrow().stored
    }

    async fn wait_for(&self, reached: impl FnMut(&Told) -> bool) {
        let mut told = self.told.subscribe();
        timeout(Duration::from_secs(30), told.wait_for(reached))
            .await
            .expect("within half a minute")
            .unwrap();
    }

    /// Ends the load and compares.
    pub(crate) async fn finish(self) -> Outcome {
        self.stop.send_replace(true);
        let ledgers = self.running.join_all().await;
        let mut found = HashMap::new();
        for person in &self.people {
            for message in walk(&self.store, person, 100).await {
                *found.entry(message.id).or_insert(0) += 1;
            }
        }
        let acknowledged = || ledgers.iter().flat_map(|ledger| &ledger.acknowledged);
        Outcome {
            acknowledged: acknowledged().count(),
            refused: self.told.borrow().refused,
            lost: acknowledged().filter(|id| !found.contains_key(id)).count(),
            doubled: found.values().filter(|times| **times > 1).count(),
            longest: ledgers.iter().map(|ledger| ledger.longest).max().unwrap(),
        }
    }
}

async fn talk(
    store: Arc<dyn Store>,
    person: Identity,
    told: watch::Sender<Told>,
    stop: watch::Receiver<bool>,
) -> Ledger {
    let mut ledger = Ledger::default();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stop.borrow() {
        let said = message(&person, Role::Human, "hello");
        for attempt in 0.. {
            pace.tick().await;
            let since = Instant::now();
            let answer = store.append(&person, said.clone()).await;
            ledger.longest = ledger.longest.max(since.elapsed());
            match answer {
                Ok(()) => {}
                // It was stored before, and only the answer was lost.
                Err(StoreError::Conflict { .. }) if attempt > 0 => {}
                Err(StoreError::Unavailable { .. }) => {
                    told.send_modify(|told| told.refused += 1);
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            ledger.acknowledged.push(said.id);
            told.send_modify(|told| told.stored += 1);
            break;
        }
    }
    ledger
}

impl Outcome {
    /// Nothing acknowledged was lost or doubled, and nobody waited for longer than the deadline.
    #[expect(clippy::print_stdout, reason = "the counts are wanted")]
    pub(crate) fn check(&self, deadline: Duration) {
        println!("{self}");
        assert!(self.acknowledged > 0);
        assert_eq!((self.lost, self.doubled), (0, 0), "{self}");
        assert!(self.longest < deadline + Duration::from_secs(1), "{self}");
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged,
            refused,
            lost,
            doubled,
            longest,
        } = self;
        write!(
            f,
            "{acknowledged} acknowledged, {refused} refused, {lost} lost, {doubled} doubled, \
             longest call {longest:.1?}"
        )
    }
}
