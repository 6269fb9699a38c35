//! Knows when a model at a provider is better left alone. A state machine without a clock: whoever
//! asks says what time it is.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use self::window::Window;

mod window;

/// How long a model is left alone before somebody tries it again.
const REST: Duration = Duration::from_secs(15);
/// From so many requests on, the share of failures counts.
const ENOUGH: u32 = 10;
/// So many failed connections in a row are enough by themselves.
const CONNECTS: u32 = 5;
/// A provider that wants to be left alone for longer is asked again all the same.
const LONGEST_COOLDOWN: Duration = Duration::from_mins(1);

/// What one request showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// It works.
    Answered,
    /// There was no connection, or it broke before the answer.
    NotReached,
    /// It does not work.
    Failed,
    /// It works and wants less to do.
    Limited(Option<Duration>),
    /// It works and refuses the key, with this status.
    Misconfigured(u16),
    /// Nothing: it was not asked, or not to the end.
    Nothing,
}

impl Sample {
    /// Whether the request was not answered as it should have been.
    pub(super) const fn is_failure(self) -> bool {
        matches!(self, Self::NotReached | Self::Failed)
    }
}

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Pass,
    /// It may, and decides whether others may.
    Probe,
    /// Not before so long: the provider asked for it.
    Cooling(Duration),
    /// Not before so long: it has failed too often.
    Resting(Duration),
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
    Misconfigured(u16),
}

/// What is wrong with a model at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It has failed too often, and is tried again after so long.
    Resting(Duration),
    /// Its provider limits requests, for so long.
    Cooling(Duration),
    /// Its provider refuses the key of this server.
    Misconfigured,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    Probing,
}

/// What is known of one model at one provider.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    window: Window,
    /// Failed connections in a row.
    not_reached: u32,
    cooldown: Option<Instant>,
    misconfigured: bool,
}

impl Breaker {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Closed,
            window: Window::new(now),
            not_reached: 0,
            cooldown: None,
            misconfigured: false,
        }
    }

    /// Whether [`Breaker::admit`] says [`Admission::Pass`], whatever time it is.
    pub(super) const fn is_calm(&self) -> bool {
        matches!(self.state, State::Closed) && self.cooldown.is_none()
    }

    pub(super) const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Open { until } if now < until => return Admission::Resting(until - now),
            // The probe takes a moment.
            State::Probing => return Admission::Resting(Duration::from_secs(1)),
            State::Open { .. } | State::Closed => {}
        }
        match self.cooldown {
            Some(until) if now < until => return Admission::Cooling(until - now),
            _ => self.cooldown = None,
        }
        if self.state == State::Closed {
            return Admission::Pass;
        }
        self.state = State::Probing;
        Admission::Probe
    }

    /// Leaves the model alone for a while: its provider asked for it.
    pub(super) fn cool_down(&mut self, wait: Duration, now: Instant) {
        let until = now + wait.min(LONGEST_COOLDOWN);
        self.cooldown = self.cooldown.max(Some(until));
    }

    /// Leaves the model alone, whatever it showed so far.
    pub(super) fn rest(&mut self, now: Instant) {
        self.state = State::Open { until: now + REST };
    }

    /// Lets the next request probe a model that is left alone.
    pub(super) fn wake(&mut self, now: Instant) {
        if let State::Open { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    /// All requests of the last seconds, and how many of them failed.
    pub(super) fn share(&self, now: Instant) -> (u32, u32) {
        self.window.count(now)
    }

    /// Learns what the probe showed.
    pub(super) fn probed(&mut self, sample: Sample, now: Instant) -> Option<Change> {
        let State::Probing = self.state else {
            return None;
        };
        match sample {
            Sample::NotReached | Sample::Failed => {
                self.state = State::Open { until: now + REST };
                None
            }
            Sample::Nothing => {
                self.state = State::Open { until: now };
                None
            }
            Sample::Answered | Sample::Limited(_) | Sample::Misconfigured(_) => {
                self.state = State::Closed;
                self.window = Window::new(now);
                self.not_reached = 0;
                self.record(sample, now).or(Some(Change::Closed))
            }
        }
    }

    /// Learns what an ordinary request showed. One that left before the model was found to be down
    /// says nothing new.
    pub(super) fn record(&mut self, sample: Sample, now: Instant) -> Option<Change> {
        self.learn(sample, now, true)
    }

    /// The same; the breaker opens only if it may.
    pub(super) fn learn(&mut self, sample: Sample, now: Instant, may_open: bool) -> Option<Change> {
        if self.state != State::Closed {
            return None;
        }
        let mut change = None;
        match sample {
            Sample::Nothing => return None,
            Sample::Limited(wait) => {
                if let Some(wait) = wait {
                    self.cool_down(wait, now);
                }
            }
            Sample::Misconfigured(status) => {
                if !self.misconfigured {
                    change = Some(Change::Misconfigured(status));
                }
                self.misconfigured = true;
            }
            Sample::Answered => {
                self.misconfigured = false;
                self.window.add(now, false);
            }
            Sample::NotReached | Sample::Failed => self.window.add(now, true),
        }
        self.not_reached = match sample {
            Sample::NotReached => self.not_reached + 1,
            _ => 0,
        };
        if may_open
            && sample.is_failure()
            && (self.not_reached >= CONNECTS || self.is_mostly_failing(now))
        {
            self.state = State::Open { until: now + REST };
            change = Some(Change::Opened);
        }
        change
    }

    pub(super) fn trouble(&self, now: Instant) -> Option<Trouble> {
        let left = |until: Instant| until.saturating_duration_since(now);
        match (self.state, self.cooldown) {
            (State::Open { until }, _) => Some(Trouble::Resting(left(until))),
            (State::Probing, _) => Some(Trouble::Resting(Duration::ZERO)),
            (State::Closed, _) if self.misconfigured => Some(Trouble::Misconfigured),
            (State::Closed, Some(until)) if now < until => Some(Trouble::Cooling(left(until))),
            (State::Closed, _) => None,
        }
    }

    fn is_mostly_failing(&self, now: Instant) -> bool {
        let (all, failed) = self.window.count(now);
        all >= ENOUGH && failed * 2 >= all
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resting(left) => {
                let seconds = left.as_secs().max(1);
                write!(
                    f,
                    "it has failed too often and is asked again in {seconds} s"
                )
            }
            Self::Cooling(left) => {
                let seconds = left.as_secs().max(1);
                write!(f, "its provider is limiting requests for {seconds} s more")
            }
            Self::Misconfigured => f.write_str(
                "it is not set up correctly: the people who run this server find the reason in \
                 its log",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
