//! Watches how long a provider stays silent, with one timer that is set anew only when it rings.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::Timers;

/// How long the end of a finished answer is waited for, so that its connection can be used again.
const DRAIN: Duration = Duration::from_millis(100);

/// The time limits of one answer.
#[derive(Debug)]
pub(super) struct Pace {
    timers: Timers,
    started: Instant,
    /// When the phase began, or when the last thing came that counts as progress in it.
    progress: Instant,
    last_byte: Instant,
    phase: Phase,
    alarm: Pin<Box<Sleep>>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The end of an answer that does not stream.
    Whole,
    FirstEvent,
    MoreEvents,
    /// The usage, after the model has stopped.
    Trailing,
    /// The end of the body, after the last frame.
    Drain,
}

/// A limit that has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Nothing that counts came for so long.
    Silence(Duration),
    /// It was still coming, after so long.
    Total(Duration),
}

impl Pace {
    /// For a stream whose request left at `started`.
    pub(super) fn of_stream(timers: Timers, started: Instant) -> Self {
        Self::new(timers, started, Phase::FirstEvent)
    }

    /// For an answer in one piece whose request left at `started`.
    pub(super) fn of_whole(timers: Timers, started: Instant) -> Self {
        Self::new(timers, started, Phase::Whole)
    }

    fn new(timers: Timers, started: Instant, phase: Phase) -> Self {
        let mut pace = Self {
            timers,
            started,
            progress: started,
            last_byte: started,
            phase,
            alarm: Box::pin(sleep_until(started)),
        };
        pace.set_alarm();
        pace
    }

    /// Bytes came; they may be comments.
    pub(super) fn byte(&mut self) {
        self.last_byte = Instant::now();
    }

    /// An event came, with the last bytes.
    pub(super) fn event(&mut self, model_has_stopped: bool) {
        let phase = if model_has_stopped {
            Phase::Trailing
        } else {
            Phase::MoreEvents
        };
        if self.phase != phase {
            self.enter(phase);
        } else if phase == Phase::MoreEvents {
            self.progress = self.last_byte;
        }
    }

    /// The last frame came.
    pub(super) fn drain(&mut self) {
        self.last_byte = Instant::now();
        self.enter(Phase::Drain);
    }

    /// Ready when a limit is reached.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Limit> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let (deadline, limit) = self.deadline();
            if deadline <= Instant::now() {
                return Poll::Ready(limit);
            }
            self.alarm.as_mut().reset(deadline);
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.progress = self.last_byte;
        self.set_alarm();
    }

    /// Within a phase deadlines only move later, so the alarm may ring early and never late.
    fn set_alarm(&mut self) {
        let (deadline, _) = self.deadline();
        self.alarm.as_mut().reset(deadline);
    }

    fn deadline(&self) -> (Instant, Limit) {
        let timers = &self.timers;
        let silence = |since: Instant, wait: Duration| (since + wait, Limit::Silence(wait));
        let earlier = |a: (Instant, Limit), b: (Instant, Limit)| if a.0 <= b.0 { a } else { b };
        let total = (
            self.started + timers.whole_turn,
            Limit::Total(timers.whole_turn),
        );
        let phase = match self.phase {
            Phase::Whole => return silence(self.started, timers.whole_answer),
            Phase::FirstEvent => silence(self.started, timers.first_event),
            Phase::MoreEvents => earlier(
                silence(self.last_byte, timers.byte_idle),
                silence(self.progress, timers.progress_idle),
            ),
            Phase::Trailing => silence(self.progress, timers.trailing),
            Phase::Drain => silence(self.progress, DRAIN),
        };
        earlier(phase, total)
    }
}
