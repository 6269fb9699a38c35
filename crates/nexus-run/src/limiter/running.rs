//! How many runs of somebody are under way on other nodes.
//!
//! A node tells when that changes for somebody here, and again now and then, as its word holds for
//! some seconds only: a node that dies holds no place for long.

use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt as _};
use nexus_core::{PublicKey, Timestamp};
use nexus_store::Running;

use super::exchange::AT_ONCE;
use super::{Limiter, Person, Sharing, lock};

/// How long the word of a node holds.
const HOLDS: TimeDelta = TimeDelta::seconds(10);
/// How long after its last word a node says the same again.
const AGAIN: TimeDelta = TimeDelta::seconds(3);

/// What was told and learned the last time.
#[derive(Clone, Copy)]
pub(super) struct Told {
    runs: u64,
    elsewhere: u64,
    at: Timestamp,
}

impl Person {
    /// Runs on this node and, as far as it knows, on the others.
    pub(super) fn running_anywhere(&self, now: Timestamp) -> u64 {
        let told = self.told.filter(|told| now - told.at < HOLDS);
        self.running
            .saturating_add(told.map_or(0, |told| told.elsewhere))
    }

    fn has_news(&self, now: Timestamp) -> bool {
        match self.told {
            Some(told) => told.runs != self.running || (told.runs > 0 && now - told.at >= AGAIN),
            None => self.running > 0,
        }
    }
}

impl Limiter {
    /// Before somebody is refused for what runs on other nodes, these are asked again.
    pub(super) async fn make_sure(&self, owner: PublicKey, most: u64, now: Timestamp) {
        let is_for_others = {
            let people = lock(&self.people);
            let person = people.get(&owner);
            person.is_some_and(|it| it.running < most && it.running_anywhere(now) >= most)
        };
        if is_for_others {
            self.tell_running(owner, now).await;
        }
    }

    pub(super) async fn exchange_running(&self, now: Timestamp) {
        if self.sharing == Sharing::Alone {
            return;
        }
        let news: Vec<_> = {
            let people = lock(&self.people);
            let news = people.iter().filter(|(_, person)| person.has_news(now));
            news.map(|(owner, _)| *owner).collect()
        };
        stream::iter(news)
            .for_each_concurrent(AT_ONCE, |owner| self.tell_running(owner, now))
            .await;
    }

    async fn tell_running(&self, owner: PublicKey, now: Timestamp) {
        let Some(runs) = lock(&self.people).get(&owner).map(|it| it.running) else {
            return;
        };
        let running = Running {
            owner,
            node: self.node.clone(),
            runs,
            holds: HOLDS,
        };
        match self.store.tell_running(running, now).await {
            Ok(elsewhere) => {
                if let Some(person) = lock(&self.people).get_mut(&owner) {
                    person.told = Some(Told {
                        runs,
                        elsewhere,
                        at: now,
                    });
                }
            }
            Err(error) => {
                tracing::debug!(%error, "what is under way could not be shared: this node counts on by itself");
            }
        }
    }
}
