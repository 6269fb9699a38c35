//! What nodes tell each other, and what is forgotten.

use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use nexus_core::limits::{AddressBlock, Share, Windows, counter_id};
use nexus_core::{PublicKey, Timestamp};
use nexus_store::Counter;
use tokio_util::sync::CancellationToken;

use super::{IDLE, Limiter, Sharing, lock};

/// How often nodes talk.
const PERIOD: Duration = Duration::from_secs(1);
/// How many counters are asked at the same time.
pub(super) const AT_ONCE: usize = 16;

/// Whom a limit is for.
trait Subject: Copy + Eq + Hash {
    /// What tells it apart from others of its kind.
    fn bytes(&self) -> Vec<u8>;

    /// The identity with which its counters are erased.
    fn owner(&self) -> Option<PublicKey>;
}

impl Subject for PublicKey {
    fn bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn owner(&self) -> Option<PublicKey> {
        Some(*self)
    }
}

impl Subject for AddressBlock {
    fn bytes(&self) -> Vec<u8> {
        self.to_bytes().to_vec()
    }

    fn owner(&self) -> Option<PublicKey> {
        None
    }
}

impl Limiter {
    /// Keeps up with the other nodes, and forgets what is over, until `stop`.
    pub async fn keep_up(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.exchange() => {}
            }
        }
    }

    /// Stores what could not be stored, tells what was admitted here since the last time, learns what others admitted, and reads
    /// again what the people who are active have spent today.
    pub async fn exchange(&self) {
        // The next failure is the next one's news.
        _ = self.settle_rest().await;
        let now = self.clock.now();
        tokio::join!(
            self.exchange_windows(&self.identities, now),
            self.exchange_windows(&self.addresses, now),
            self.exchange_running(now),
            self.read_ledgers(now),
        );
    }

    /// How many windows and people are in memory.
    #[must_use]
    pub fn remembered(&self) -> usize {
        lock(&self.identities).len() + lock(&self.addresses).len() + lock(&self.people).len()
    }

    async fn exchange_windows<S: Subject>(&self, windows: &Mutex<Windows<S>>, now: Timestamp) {
        let shares = lock(windows).shares(now);
        if self.sharing == Sharing::Alone {
            return;
        }
        let tell = async |share: Share<S>| {
            let counter = Counter {
                id: counter_id(share.limit, &share.subject.bytes(), share.window),
                owner: share.subject.owner(),
                expires_at: share.window.ends_at(),
            };
            let total = self.store.add_to_counter(counter, share.delta, now).await;
            if let Err(error) = &total {
                tracing::debug!(%error, "a limit could not be shared: this node counts on by itself");
            }
            lock(windows).learn(&share, total.ok());
        };
        stream::iter(shares)
            .for_each_concurrent(AT_ONCE, tell)
            .await;
    }

    async fn read_ledgers(&self, now: Timestamp) {
        let day = now.date_naive();
        let touched: Vec<_> = {
            let mut people = lock(&self.people);
            people.retain(|_, person| person.running > 0 || now - person.last_used < IDLE);
            let touched = people.iter_mut().filter(|(_, person)| person.is_touched);
            touched
                .map(|(key, person)| {
                    person.is_touched = false;
                    *key
                })
                .collect()
        };
        stream::iter(touched)
            .for_each_concurrent(AT_ONCE, |owner| self.read_ledger(owner, day))
            .await;
    }
}
