//! Decides for whom a model is left alone. One person's requests may fail because of what they ask,
//! so their failures count against themselves; the model rests for everybody only when several people
//! see it fail and nobody is answered meanwhile. A state machine without a clock, as the breakers in it are.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{Admission, Breaker, Change, Sample, Trouble};
use crate::Requester;

#[cfg(test)]
mod tests;

/// The people who are watched at the same time. They are a sample of all when there are more.
const WATCHED: usize = 128;
/// A model fails for everybody when it fails for at least so many and answers nobody else.
const ENOUGH_PEOPLE: usize = 2;

/// What is known of one model at one provider.
#[derive(Debug)]
pub(super) struct Circuit {
    shared: Breaker,
    people: HashMap<Requester, Breaker>,
    /// How many of them the model rests for.
    resting: usize,
    /// Whose probe has failed since the model rests for everybody.
    failed_probe: Option<Requester>,
}

/// What a request may decide by its outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Probes {
    /// Whether the model rests for this person.
    own: bool,
    /// Whether it rests for everybody.
    shared: bool,
}

impl Circuit {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            shared: Breaker::new(now),
            people: HashMap::new(),
            resting: 0,
            failed_probe: None,
        }
    }

    /// Whether [`Circuit::admit`] lets everybody pass, whatever time it is.
    pub(super) const fn is_calm(&self) -> bool {
        self.shared.is_calm() && self.resting == 0
    }

    /// Whether the model rests for this person.
    pub(super) fn is_open_for(&self, requester: Requester) -> bool {
        self.shared.is_open() || self.people.get(&requester).is_some_and(Breaker::is_open)
    }

    /// Whether a request may be sent. `Err`: not before so long, as [`Admission`] says why.
    pub(super) fn admit(
        &mut self,
        requester: Requester,
        now: Instant,
    ) -> Result<Probes, Admission> {
        let own = match self.people.get_mut(&requester).map(|it| it.admit(now)) {
            None | Some(Admission::Pass) => false,
            Some(Admission::Probe) => true,
            Some(refused) => return Err(refused),
        };
        match self.shared.admit(now) {
            Admission::Pass => Ok(Probes { own, shared: false }),
            Admission::Probe => Ok(Probes { own, shared: true }),
            refused => {
                if own && let Some(breaker) = self.people.get_mut(&requester) {
                    breaker.probed(Sample::Nothing, now);
                }
                Err(refused)
            }
        }
    }

    /// Leaves the model alone for a while: its provider asked for it.
    pub(super) fn cool_down(&mut self, wait: Duration, now: Instant) {
        self.shared.cool_down(wait, now);
    }

    /// Learns what a request showed. Gives what is worth a line in the log.
    pub(super) fn settle(
        &mut self,
        requester: Requester,
        probes: Probes,
        sample: Sample,
        now: Instant,
    ) -> Option<Change> {
        self.settle_own(requester, probes.own, sample, now);
        if probes.shared {
            return self.settle_probe(requester, sample, now);
        }
        let agreed = sample.is_failure() && self.fails_for_all(now);
        let change = self.shared.learn(sample, now, agreed);
        if change == Some(Change::Opened) {
            self.failed_probe = None;
        }
        change
    }

    /// What is wrong with the model for everybody.
    pub(super) fn trouble(&self, now: Instant) -> Option<Trouble> {
        self.shared.trouble(now)
    }

    fn settle_own(&mut self, requester: Requester, is_probe: bool, sample: Sample, now: Instant) {
        // Limits and keys are about all.
        let sample = match sample {
            Sample::Limited(_) | Sample::Misconfigured(_) if is_probe => Sample::Answered,
            Sample::Limited(_) | Sample::Misconfigured(_) => return,
            sample => sample,
        };
        let Some(breaker) = self.watch(requester, now) else {
            return;
        };
        let was_open = breaker.is_open();
        if is_probe {
            breaker.probed(sample, now);
        } else {
            breaker.record(sample, now);
        }
        let is_open = breaker.is_open();
        self.count(was_open, is_open);
    }

    /// One person's failed probe shows only that the model fails for them: then somebody else's
    /// decides.
    fn settle_probe(
        &mut self,
        requester: Requester,
        sample: Sample,
        now: Instant,
    ) -> Option<Change> {
        let change = self.shared.probed(sample, now);
        if !self.shared.is_open() {
            self.failed_probe = None;
            self.people.clear();
            self.resting = 0;
        } else if sample.is_failure() {
            let is_alone = self.failed_probe.is_none_or(|other| other == requester);
            if is_alone && let Some(breaker) = self.people.get_mut(&requester) {
                let was_open = breaker.is_open();
                breaker.rest(now);
                self.count(was_open, true);
                self.shared.wake(now);
            }
            self.failed_probe = Some(requester);
        }
        change
    }

    fn count(&mut self, was_open: bool, is_open: bool) {
        match (was_open, is_open) {
            (false, true) => self.resting += 1,
            (true, false) => self.resting = self.resting.saturating_sub(1),
            _ => {}
        }
    }

    /// The breaker of one person, while there is room.
    fn watch(&mut self, requester: Requester, now: Instant) -> Option<&mut Breaker> {
        if self.people.len() >= WATCHED && !self.people.contains_key(&requester) {
            self.people
                .retain(|_, breaker| breaker.is_open() || breaker.share(now).0 > 0);
            if self.people.len() >= WATCHED {
                return None;
            }
        }
        let breaker = self.people.entry(requester);
        Some(breaker.or_insert_with(|| Breaker::new(now)))
    }

    /// Whether the model failed in the last seconds for several people, most of those who used it,
    /// and answered nobody else. A single failure of somebody is no sign.
    fn fails_for_all(&self, now: Instant) -> bool {
        let (mut users, mut failing) = (0, 0);
        for breaker in self.people.values() {
            let (all, failed) = breaker.share(now);
            let is_failing = breaker.is_open() || (failed >= 2 && failed * 2 >= all);
            if !is_failing && all > failed {
                return false;
            }
            users += usize::from(is_failing || all > 0);
            failing += usize::from(is_failing);
        }
        failing >= ENOUGH_PEOPLE && failing * 2 >= users
    }
}
