//! What has to be looked after although nobody asks: whether the file is still there, and that its
//! write-ahead log does not stay long.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::presence::{Log, Presence};
use super::threads::Joined;
use super::writer::Nudge;

/// How often it is looked after.
const PERIOD: Duration = Duration::from_millis(250);

/// After how many looks without a commit the log is emptied: about two seconds.
const QUIET: u32 = 8;

/// Looks after the file until it is dropped.
#[derive(Debug)]
pub(super) struct Housekeeping {
    _stop: mpsc::Sender<Infallible>,
    _thread: Joined,
}

impl Housekeeping {
    /// Starts the thread, which tells the writer when the log can be emptied, and when the file is
    /// gone.
    pub(super) fn start(presence: Presence, writer: Nudge) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<Infallible>();
        let mut house = House::new(presence, writer);
        let thread = Joined::start("nexus-store-look", move || {
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                house.keep();
            }
        })?;
        Ok(Self {
            _stop: stop,
            _thread: thread,
        })
    }
}

#[derive(Debug)]
struct House {
    presence: Presence,
    writer: Nudge,
    log: Log,
    quiet: u32,
    is_told: bool,
}

impl House {
    fn new(presence: Presence, writer: Nudge) -> Self {
        Self {
            presence,
            writer,
            log: Log::default(),
            quiet: 0,
            is_told: false,
        }
    }

    /// Takes one look.
    fn keep(&mut self) {
        let Ok(log) = self.presence.check() else {
            // The writer saves what can be saved.
            if !self.is_told {
                self.is_told = self.writer.nudge();
            }
            return;
        };
        self.quiet = if log == self.log { self.quiet + 1 } else { 0 };
        self.log = log;
        if self.quiet >= QUIET && log.length > 0 {
            self.quiet = 0;
            self.writer.nudge();
        }
    }
}
