//! Who may have how much, now. Decided in memory: a healthy request asks no store for it.
//!
//! A node counts what it admits. About once a second it adds that to counters that all nodes share,
//! and learns what the others added: [`Limiter::keep_up`]. Budgets of a day come from the usage that
//! is stored, and from what is under way on this node. A store that does not answer stops neither.

mod exchange;
mod exports;
mod memory;
mod permit;
mod running;
mod unsettled;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{NaiveDate, TimeDelta};
use nexus_core::limits::{AddressBlock, Ledger, Period, Spending, Windows};
use nexus_core::{
    Clock, Limit, LimitReached, Limits, NodeId, PublicKey, RunId, Timestamp, UsageCount, UsageKey,
};
use nexus_store::{Store, StoreError};

use self::exports::Exports;
use self::running::Told;
use self::unsettled::{Unsettled, Used};

pub use exports::{ExportPlace, ExportRefused};
pub use memory::{Holder, MemoryFull, RequestMemory, Reserved};
pub use permit::{Permit, Place};

/// How many windows of addresses are in memory. Whoever has more addresses than this at once is not
/// stopped by counting them.
const MOST_ADDRESSES: usize = 100_000;
/// How many windows of identities are in memory.
const MOST_IDENTITIES: usize = 200_000;
/// How long somebody who does nothing is remembered. What they spent is stored.
const IDLE: TimeDelta = TimeDelta::minutes(10);

/// Whether other nodes work on the same store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// This is the only one.
    Alone,
    /// They tell each other what they admitted.
    Shared,
}

/// Counts, and refuses.
pub struct Limiter {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    sharing: Sharing,
    /// What the others know this one by.
    node: NodeId,
    identities: Mutex<Windows<PublicKey>>,
    addresses: Mutex<Windows<AddressBlock>>,
    people: Mutex<HashMap<PublicKey, Person>>,
    unsettled: Unsettled,
    exports: Exports,
    /// The memory that requests take.
    pub memory: RequestMemory,
}

/// Somebody who runs something, or did so lately.
struct Person {
    running: u64,
    /// `None`: the other nodes were not told of this person, and did not tell.
    told: Option<Told>,
    ledger: Ledger,
    last_used: Timestamp,
    /// Since the ledger was last read again.
    is_touched: bool,
}

/// How many requests an identity has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How many there may be in a minute.
    pub limit: u64,
    /// How many are left of them.
    pub remaining: u64,
    /// In how many seconds they start anew.
    pub resets_in: u64,
}

impl Limiter {
    /// A limiter that has counted nothing yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, sharing: Sharing) -> Self {
        Self {
            node: NodeId::new(clock.now()),
            store,
            clock,
            sharing,
            identities: Mutex::new(Windows::new(MOST_IDENTITIES)),
            addresses: Mutex::new(Windows::new(MOST_ADDRESSES)),
            people: Mutex::default(),
            unsettled: Unsettled::default(),
            exports: Exports::default(),
            memory: RequestMemory::default(),
        }
    }

    /// Counts something that came from an address of the network.
    ///
    /// # Errors
    /// When the limit for it is reached: then it is not counted.
    pub fn count_address(
        &self,
        limits: &Limits,
        limit: Limit,
        address: AddressBlock,
    ) -> Result<(), LimitReached> {
        match limits.get(limit) {
            Some(quota) => lock(&self.addresses).take(limit, address, quota, self.clock.now()),
            None => Ok(()),
        }
    }

    /// Counts a question, whoever asks it.
    ///
    /// # Errors
    /// When there were as many in this minute as there may be.
    pub fn count_request(&self, limits: &Limits, owner: PublicKey) -> Result<(), LimitReached> {
        self.count(limits, Limit::Requests, owner)
    }

    /// Counts something that an identity does, member or not.
    ///
    /// # Errors
    /// When the limit for it is reached: then it is not counted.
    pub fn count(
        &self,
        limits: &Limits,
        limit: Limit,
        owner: PublicKey,
    ) -> Result<(), LimitReached> {
        match limits.get(limit) {
            Some(quota) => lock(&self.identities).take(limit, owner, quota, self.clock.now()),
            None => Ok(()),
        }
    }

    /// How many questions somebody may still ask in this minute.
    #[must_use]
    pub fn requests_left(&self, limits: &Limits, owner: PublicKey) -> Option<Left> {
        let limit = limits.get(Limit::Requests)?;
        let now = self.clock.now();
        let used = lock(&self.identities).used(Limit::Requests, owner, now);
        Some(Left {
            limit,
            remaining: limit.saturating_sub(used),
            resets_in: Period::Minute.window(now).seconds_left(now),
        })
    }

    /// Takes a place to run. It is held from before the body of a request is read until its run
    /// ends.
    ///
    /// # Errors
    /// When all places of the owner are taken.
    pub async fn place(
        self: &Arc<Self>,
        limits: &Limits,
        owner: PublicKey,
    ) -> Result<Place, LimitReached> {
        let now = self.clock.now();
        let most = limits.get(Limit::ConcurrentRuns);
        if let Some(most) = most {
            self.make_sure(owner, most, now).await;
        }
        let mut people = lock(&self.people);
        let person = Person::of(&mut people, owner, now);
        if let Some(most) = most
            && person.running_anywhere(now) >= most
        {
            let limit = Limit::ConcurrentRuns;
            return Err(LimitReached::until_something_ends(limit, most));
        }
        person.running += 1;
        drop(people);
        Ok(Place::new(Arc::clone(self), owner))
    }

    /// Lets the run at this place begin, which may come to this much.
    ///
    /// # Errors
    /// When a limit of its owner is reached. Then the place is free again.
    pub async fn admit(
        &self,
        limits: &Limits,
        place: Place,
        estimate: Spending,
    ) -> Result<Permit, LimitReached> {
        let owner = place.owner;
        let now = self.clock.now();
        let day = now.date_naive();
        let has_budget = [Limit::DailyTokens, Limit::DailyCost]
            .iter()
            .any(|limit| limits.get(*limit).is_some());
        if has_budget && !self.knows(owner, now) {
            self.read_ledger(owner, day).await;
        }
        if let Some(quota) = limits.get(Limit::Tokens) {
            lock(&self.identities).look(Limit::Tokens, owner, quota, now)?;
        }
        let mut people = lock(&self.people);
        let person = Person::of(&mut people, owner, now);
        person.ledger.check(limits, now)?;
        person.ledger.reserve(estimate);
        drop(people);
        Ok(Permit::new(place, day, estimate))
    }

    /// Whether the day of this person is in memory. They count as active with it.
    fn knows(&self, owner: PublicKey, now: Timestamp) -> bool {
        let mut people = lock(&self.people);
        Person::of(&mut people, owner, now).ledger.is_read()
    }

    /// Reads what a person who is in memory has spent on this day. What cannot be read is counted
    /// from here on.
    async fn read_ledger(&self, owner: PublicKey, day: NaiveDate) {
        // The store does not know all of it yet.
        if self.unsettled.is_of(owner) {
            return;
        }
        let begun = {
            let people = lock(&self.people);
            let ledger = people.get(&owner).map(|person| &person.ledger);
            ledger
                .filter(|ledger| ledger.day() == day)
                .and_then(Ledger::begin_reading)
        };
        let Some(reading) = begun else { return };
        let spent = match self.store.usage(owner, day, day).await {
            Ok(days) => days
                .into_iter()
                .map(|usage| Spending::from(usage.count))
                .fold(Spending::default(), Spending::saturating_add),
            Err(error) => {
                tracing::warn!(%error, "what was spent today could not be read: this node counts on by itself");
                return;
            }
        };
        let mut people = lock(&self.people);
        if let Some(person) = people.get_mut(&owner)
            && person.ledger.day() == day
        {
            person.ledger.learn(reading, spent);
        }
    }

    /// Stores what a run used, now or as soon as the store can, and counts it. A person who was
    /// erased meanwhile leaves no count.
    async fn settle(
        &self,
        permit: &Permit,
        run: (&RunId, Timestamp),
        model: &str,
        count: UsageCount,
    ) {
        let (run, life) = run;
        let spent = Spending::from(count);
        self.with_ledger(permit, |person| person.ledger.begin_settling());
        let key = UsageKey {
            owner: permit.owner(),
            day: permit.day,
            model: model.to_owned(),
        };
        let used = Used {
            life,
            run: run.clone(),
            key,
            count,
        };
        match used.store(&*self.store).await {
            Ok(()) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => self.keep(used, &error),
        }
        self.with_ledger(permit, |person| person.ledger.settle(spent));
        let now = self.clock.now();
        lock(&self.identities).add(Limit::Tokens, permit.owner(), spent.tokens, now);
    }

    /// Gives back what a run had reserved.
    fn release(&self, permit: &Permit) {
        let mut people = lock(&self.people);
        if let Some(person) = people.get_mut(&permit.owner())
            && person.ledger.day() == permit.day
        {
            person.ledger.release(permit.estimate);
        }
    }

    /// Frees a place to run.
    fn leave(&self, owner: PublicKey) {
        if let Some(person) = lock(&self.people).get_mut(&owner) {
            person.running = person.running.saturating_sub(1);
        }
    }

    /// The ledger that a run began with, if its day is not over.
    fn with_ledger(&self, permit: &Permit, change: impl FnOnce(&mut Person)) {
        let mut people = lock(&self.people);
        if let Some(person) = people.get_mut(&permit.owner())
            && person.ledger.day() == permit.day
        {
            person.is_touched = true;
            change(person);
        }
    }
}

impl Person {
    /// This person on this day.
    fn of(people: &mut HashMap<PublicKey, Self>, key: PublicKey, now: Timestamp) -> &mut Self {
        let day: NaiveDate = now.date_naive();
        let person = people.entry(key).or_insert_with(|| Self {
            running: 0,
            told: None,
            ledger: Ledger::new(day),
            last_used: now,
            is_touched: true,
        });
        if person.ledger.day() != day {
            person.ledger = Ledger::new(day);
        }
        person.last_used = now;
        person.is_touched = true;
        person
    }
}

/// Nothing in these sections can leave a count half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
