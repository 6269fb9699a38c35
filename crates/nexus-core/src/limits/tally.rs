//! Counting in windows, and sharing the counts with other nodes.

use std::collections::HashMap;
use std::hash::Hash;

use super::{Limit, LimitReached, Window};
use crate::Timestamp;

/// What one node knows about one window: what all nodes have told the shared counter, and what this
/// one has still to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    told: u64,
    untold: u64,
}

impl Tally {
    /// How much is used, as far as this node knows.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.told.saturating_add(self.untold)
    }

    /// Takes one of `quota`, if one is left.
    #[must_use]
    pub const fn take(&mut self, quota: u64) -> bool {
        let is_left = self.used() < quota;
        if is_left {
            self.add(1);
        }
        is_left
    }

    /// Counts what was used, also beyond any quota.
    pub const fn add(&mut self, by: u64) {
        self.untold = self.untold.saturating_add(by);
    }

    /// Learns what the shared counter says after it was told `told`.
    pub fn learn(&mut self, told: u64, total: u64) {
        self.untold = self.untold.saturating_sub(told);
        self.told = self.told.max(total);
    }
}

/// The windows in use, of any number of subjects. There are as many at most as were used within the
/// length of a window.
#[derive(Debug)]
pub struct Windows<S> {
    counted: HashMap<(Limit, S), Counted>,
    /// Beyond this many, newcomers are let through and not counted.
    most: usize,
}

#[derive(Debug)]
struct Counted {
    window: Window,
    tally: Tally,
    /// Since the last time it was shared.
    is_touched: bool,
}

/// A window that the other nodes should hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share<S> {
    /// Which limit.
    pub limit: Limit,
    /// Whose.
    pub subject: S,
    /// When.
    pub window: Window,
    /// How much to add to the shared counter. 0: only ask.
    pub delta: u64,
}

impl<S: Copy + Eq + Hash> Windows<S> {
    /// No window yet, and never more than `most`.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            counted: HashMap::new(),
            most,
        }
    }

    /// Takes one of `quota`.
    ///
    /// # Errors
    /// When none is left in this window.
    pub fn take(
        &mut self,
        limit: Limit,
        subject: S,
        quota: u64,
        now: Timestamp,
    ) -> Result<(), LimitReached> {
        let Some(counted) = self.counted(limit, subject, now) else {
            return Ok(());
        };
        if counted.tally.take(quota) {
            Ok(())
        } else {
            let window = counted.window;
            Err(LimitReached::in_window(limit, quota, window, now))
        }
    }

    /// Refuses when nothing is left of `quota`, and takes nothing.
    ///
    /// # Errors
    /// When nothing is left in this window.
    pub fn look(
        &mut self,
        limit: Limit,
        subject: S,
        quota: u64,
        now: Timestamp,
    ) -> Result<(), LimitReached> {
        match self.counted(limit, subject, now) {
            Some(counted) if counted.tally.used() >= quota => {
                let window = counted.window;
                Err(LimitReached::in_window(limit, quota, window, now))
            }
            _ => Ok(()),
        }
    }

    /// Counts what was used.
    pub fn add(&mut self, limit: Limit, subject: S, by: u64, now: Timestamp) {
        if let Some(counted) = self.counted(limit, subject, now) {
            counted.tally.add(by);
        }
    }

    /// How much is used in the present window.
    #[must_use]
    pub fn used(&self, limit: Limit, subject: S, now: Timestamp) -> u64 {
        let counted = self.counted.get(&(limit, subject));
        let counted = counted.filter(|counted| !counted.window.is_over(now));
        counted.map_or(0, |counted| counted.tally.used())
    }

    /// Forgets windows that are over, and names those that the other nodes should hear of: those
    /// that were used since the last time.
    pub fn shares(&mut self, now: Timestamp) -> Vec<Share<S>> {
        self.counted
            .retain(|_, counted| !counted.window.is_over(now));
        let touched = self.counted.iter_mut().filter(|(_, it)| it.is_touched);
        let share = |(key, counted): (&(Limit, S), &mut Counted)| {
            counted.is_touched = false;
            Share {
                limit: key.0,
                subject: key.1,
                window: counted.window,
                delta: counted.tally.untold,
            }
        };
        touched.map(share).collect()
    }

    /// Learns what the shared counter says after it was told. `None`: it could not be told, and
    /// hears of it next time.
    pub fn learn(&mut self, share: &Share<S>, total: Option<u64>) {
        let counted = self.counted.get_mut(&(share.limit, share.subject));
        let Some(counted) = counted.filter(|counted| counted.window == share.window) else {
            return;
        };
        match total {
            Some(total) => counted.tally.learn(share.delta, total),
            None => counted.is_touched = true,
        }
    }

    /// How many windows are in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counted.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty()
    }

    /// The window of this moment. A limit that is not about time has none.
    fn counted(&mut self, limit: Limit, subject: S, now: Timestamp) -> Option<&mut Counted> {
        let window = limit.period()?.window(now);
        let key = (limit, subject);
        if self.counted.len() >= self.most && !self.counted.contains_key(&key) {
            self.counted
                .retain(|_, counted| !counted.window.is_over(now));
            if self.counted.len() >= self.most {
                return None;
            }
        }
        let fresh = || Counted {
            window,
            tally: Tally::default(),
            is_touched: true,
        };
        let counted = self.counted.entry(key).or_insert_with(fresh);
        // A clock that is set back does not bring an old window back.
        if counted.window.is_over(now) {
            *counted = fresh();
        }
        counted.is_touched = true;
        Some(counted)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;

    use super::*;
    use crate::limits::Period;

    fn start() -> Timestamp {
        DateTime::from_timestamp(1_760_000_040, 0).unwrap()
    }

    proptest! {
        #[test]
        fn a_quota_is_never_exceeded_and_nobody_is_refused_below_it(
            quota in 1_u64..20,
            steps in prop::collection::vec((0_i64..20_000, 0_u8..3), 1..200),
        ) {
            let mut windows = Windows::new(100);
            let mut admitted: BTreeMap<(u8, Timestamp), u64> = BTreeMap::new();
            let mut now = start();
            for (step, subject) in steps {
                now += TimeDelta::milliseconds(step);
                let end = Period::Minute.window(now).ends_at();
                let count = admitted.entry((subject, end)).or_default();
                let outcome = windows.take(Limit::Requests, subject, quota, now);
                prop_assert_eq!(outcome.is_ok(), *count < quota);
                match outcome {
                    Ok(()) => *count += 1,
                    Err(reached) => prop_assert_eq!(reached.resets_at, Some(end)),
                }
                prop_assert_eq!(windows.used(Limit::Requests, subject, now), *count);
            }
        }

        #[test]
        fn nodes_that_exchange_know_all_that_was_told(
            steps in prop::collection::vec((0_usize..3, any::<bool>()), 1..200),
        ) {
            let (mut counter, mut taken) = (0_u64, 0_u64);
            let mut nodes = [Tally::default(); 3];
            for (node, is_exchange) in steps {
                let node = &mut nodes[node];
                if is_exchange {
                    let delta = node.untold;
                    counter += delta;
                    node.learn(delta, counter);
                } else {
                    node.add(1);
                    taken += 1;
                }
                let untold: u64 = nodes.iter().map(|node| node.untold).sum();
                prop_assert_eq!(counter + untold, taken);
            }
            for node in &mut nodes {
                let delta = node.untold;
                counter += delta;
                node.learn(delta, counter);
            }
            for node in &mut nodes {
                node.learn(0, counter);
                prop_assert_eq!(node.used(), taken);
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_idle_windows_are_dropped() {
        let mut windows = Windows::new(2);
        for subject in 0..10 {
            assert_eq!(windows.take(Limit::Requests, subject, 1, start()), Ok(()));
        }
        assert_eq!(windows.len(), 2);
        assert!(windows.take(Limit::Requests, 0, 1, start()).is_err());
        let later = start() + TimeDelta::minutes(1);
        assert_eq!(windows.take(Limit::Requests, 7, 1, later), Ok(()));
        assert!(windows.take(Limit::Requests, 7, 1, later).is_err());
        assert_eq!(windows.shares(later).len(), 1);
        assert_eq!(windows.shares(later), []);
        windows.shares(later + TimeDelta::minutes(1));
        assert!(windows.is_empty());
    }

    #[test]
    fn what_could_not_be_told_is_told_the_next_time() {
        let mut windows = Windows::new(9);
        windows.add(Limit::Tokens, 1, 5, start());
        let share = windows.shares(start())[0];
        windows.add(Limit::Tokens, 1, 2, start());
        windows.learn(&share, None);
        let share = windows.shares(start())[0];
        assert_eq!(share.delta, 7);
        windows.learn(&share, Some(100));
        assert_eq!(windows.used(Limit::Tokens, 1, start()), 100);
    }
}
