//! The lease on a clock that jumps, against a model of a database that confirms late.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use nexus_core::PublicKey;
use proptest::prelude::*;
use tokio::time::sleep;

use super::*;
use crate::lease::AsOf;
use crate::{Evictions, Subject};

fn subject(number: u8) -> Subject {
    PublicKey::from_bytes([number; 20]).into()
}

#[derive(Clone, Debug)]
enum Act {
    /// Another node changes a document, and it is acknowledged.
    Theirs(u8),
    /// This node does, and evicts it.
    Ours(u8),
    /// A request comes, for this purpose: it may begin a renewal.
    Ask(Purpose),
    /// The renewal that was begun ends.
    Renewed,
    /// A reading begins, where the lease permits one.
    Begin(u8),
    /// One of them ends, and what it found is kept.
    End(prop::sample::Index),
    /// Milliseconds pass.
    Pass(u16),
}

fn act() -> impl Strategy<Value = Act> {
    let number = || 0..3_u8;
    prop_oneof![
        3 => number().prop_map(Act::Theirs),
        1 => number().prop_map(Act::Ours),
        2 => Just(Act::Ask(Purpose::Read)),
        2 => Just(Act::Ask(Purpose::Recall)),
        4 => Just(Act::Renewed),
        4 => number().prop_map(Act::Begin),
        4 => any::<prop::sample::Index>().prop_map(Act::End),
        3 => (0..700_u16).prop_map(Act::Pass),
    ]
}

/// A change is its place among all of them; a document is its newest change.
struct Model {
    now: Instant,
    term: Term,
    evictions: Evictions,
    /// Whose each change is, when it was acknowledged, and whether this node made it.
    changes: Vec<(u8, Instant, bool)>,
    /// When the renewal was sent, and how many changes were acknowledged then.
    renewal: Option<(Instant, usize)>,
    /// How many changes a reading includes at least.
    reached: usize,
    reading: Vec<(u8, usize, AsOf)>,
    kept: HashMap<u8, (usize, AsOf)>,
}

impl Model {
    fn new() -> Self {
        Self {
            now: Instant::now(),
            term: Term::default(),
            evictions: Evictions::new(),
            changes: Vec::new(),
            renewal: None,
            reached: 0,
            reading: Vec::new(),
            kept: HashMap::new(),
        }
    }

    fn newest(&self, number: u8, among: impl Fn(&(u8, Instant, bool)) -> bool) -> usize {
        let is_it = |change: &(u8, Instant, bool)| change.0 == number && among(change);
        self.changes.iter().rposition(is_it).map_or(0, |at| at + 1)
    }

    fn take(&mut self, act: &Act) {
        match act {
            Act::Theirs(number) => self.changes.push((*number, self.now, false)),
            Act::Ours(number) => {
                self.changes.push((*number, self.now, true));
                self.reached = self.changes.len();
                self.evictions.evict(subject(*number));
            }
            Act::Ask(purpose) => {
                let is_enough = matches!(self.term.step(*purpose, self.now), Step::Use(_));
                if !is_enough && self.renewal.is_none() {
                    self.renewal = Some((self.now, self.changes.len()));
                }
            }
            Act::Renewed => {
                if let Some((sent, acknowledged)) = self.renewal.take() {
                    self.reached = self.reached.max(acknowledged);
                    self.term.take(sent, true);
                }
            }
            Act::Begin(number) => {
                if let Step::Use(lease) = self.term.step(Purpose::Read, self.now) {
                    let as_of = self.evictions.as_of(lease);
                    self.reading.push((*number, self.reached, as_of));
                }
            }
            Act::End(which) if !self.reading.is_empty() => {
                let index = which.index(self.reading.len());
                let (number, reached, as_of) = self.reading.swap_remove(index);
                // The least that the store promises.
                let included = self.changes.iter().take(reached);
                let found = included.rev().position(|change| change.0 == number);
                let value = found.map_or(0, |back| reached - back);
                self.kept.insert(number, (value, as_of));
            }
            Act::End(_) => {}
            Act::Pass(milliseconds) => self.now += Duration::from_millis((*milliseconds).into()),
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (&number, &(value, as_of)) in &self.kept {
            if self.evictions.allow_at(self.now, subject(number), as_of) {
                let old = self.newest(number, |change| change.1 + LIFE <= self.now);
                let ours = self.newest(number, |change| change.2);
                prop_assert!(value >= old, "a change of another node is seen in a second");
                prop_assert!(value >= ours, "an own change is seen at once");
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_is_kept_is_never_older_than_a_second_nor_than_an_own_change(
        acts in prop::collection::vec(act(), 1..120)
    ) {
        let mut model = Model::new();
        for act in &acts {
            model.take(act);
            model.check()?;
        }
    }

    #[test]
    fn an_unchanged_document_is_read_once_a_second_at_most(
        pauses in prop::collection::vec(1..400_u64, 50..400)
    ) {
        let begun = Instant::now();
        let (mut now, mut term) = (begun, Term::default());
        let evictions = Evictions::new();
        let mut kept: Option<AsOf> = None;
        let mut reads = 0;
        for pause in pauses {
            if kept.is_some_and(|as_of| evictions.allow_at(now, subject(1), as_of)) {
                // The renewal is over before the next request.
                if let Step::UseAndRenew(_) = term.step(Purpose::Recall, now) {
                    term.take(now, true);
                }
            } else {
                let lease = match term.step(Purpose::Read, now) {
                    Step::Use(lease) => lease,
                    Step::UseAndRenew(_) | Step::Wait => term.take(now, true),
                };
                reads += 1;
                kept = Some(evictions.as_of(lease));
            }
            now += Duration::from_millis(pause);
        }
        // The first reading may have come when half of its lease was over.
        prop_assert!(f64::from(reads) <= (now - begun).as_secs_f64() + 1.5, "{reads}");
    }
}

/// Renews after a while, or not.
#[derive(Debug, Default)]
struct Fake {
    takes: Duration,
    fails: bool,
    renewals: Arc<AtomicU32>,
}

#[async_trait]
impl Renew for Fake {
    async fn renew(&self) -> Result<bool, StoreError> {
        self.renewals.fetch_add(1, Ordering::Relaxed);
        sleep(self.takes).await;
        if self.fails {
            return Err(unavailable("no majority"));
        }
        Ok(true)
    }
}

impl Fake {
    fn taking(milliseconds: u64) -> Self {
        Self {
            takes: Duration::from_millis(milliseconds),
            ..Self::default()
        }
    }

    fn held(self) -> (Holder, Arc<AtomicU32>) {
        let renewals = Arc::clone(&self.renewals);
        (Holder::new(self, Calls::new(LIFE)), renewals)
    }
}

fn count(renewals: &AtomicU32) -> u32 {
    renewals.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn all_who_come_at_once_wait_for_one_renewal() {
    let (holder, renewals) = Fake::taking(5).held();
    let asked = (0..100).map(|_| holder.lease(Purpose::Read));
    let leases = futures_util::future::try_join_all(asked).await.unwrap();
    assert_eq!(count(&renewals), 1);
    assert!(leases.windows(2).all(|two| two[0] == two[1]), "{leases:?}");
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_at_half_its_life_and_only_a_reading_waits_for_that() {
    let (holder, renewals) = Fake::taking(5).held();
    let first = holder.lease(Purpose::Recall).await.unwrap();
    sleep(Duration::from_millis(494)).await;
    assert_eq!(holder.lease(Purpose::Read).await.unwrap(), first);
    assert_eq!(count(&renewals), 1);
    sleep(Duration::from_millis(2)).await;
    for _ in 0..10 {
        assert_eq!(holder.lease(Purpose::Recall).await.unwrap(), first);
    }
    let second = holder.lease(Purpose::Read).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(count(&renewals), 2);
}

#[tokio::test(start_paused = true)]
async fn without_requests_it_is_not_renewed_and_ends() {
    let (holder, renewals) = Fake::taking(5).held();
    let evictions = Evictions::new();
    let as_of = evictions.as_of(holder.lease(Purpose::Read).await.unwrap());
    assert!(evictions.allow(subject(1), as_of));
    // It counts from before it was asked for.
    sleep(Duration::from_millis(996)).await;
    assert!(!evictions.allow(subject(1), as_of));
    assert_eq!(count(&renewals), 1);
    holder.lease(Purpose::Recall).await.unwrap();
    assert_eq!(count(&renewals), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_confirmed_late_answers_its_request_and_keeps_nothing() {
    let (holder, renewals) = Fake::taking(1500).held();
    let evictions = Evictions::new();
    let later = async {
        sleep(Duration::from_millis(700)).await;
        holder.lease(Purpose::Recall).await
    };
    let (lease, later) = tokio::join!(holder.lease(Purpose::Read), later);
    let lease = lease.unwrap();
    assert!(!evictions.allow(subject(1), evictions.as_of(lease)));
    // Who came later could not use one that had ended, and waited for another.
    assert_ne!(later.unwrap(), lease);
    assert_eq!(count(&renewals), 2);
}

#[tokio::test(start_paused = true)]
async fn while_it_cannot_be_renewed_there_is_none_and_each_request_tries_again() {
    let (holder, renewals) = Fake {
        fails: true,
        ..Fake::taking(5)
    }
    .held();
    for tries in 1..4 {
        let (one, other) = tokio::join!(holder.lease(Purpose::Recall), holder.lease(Purpose::Read));
        assert!(one.is_err() && other.is_err());
        assert_eq!(count(&renewals), tries);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_leaves_does_not_stop_the_renewal() {
    let (holder, renewals) = Fake::taking(100).held();
    let soon = Duration::from_millis(10);
    let left = tokio::time::timeout(soon, holder.lease(Purpose::Read)).await;
    assert!(left.is_err());
    sleep(Duration::from_millis(100)).await;
    holder.lease(Purpose::Read).await.unwrap();
    assert_eq!(count(&renewals), 1);
}
