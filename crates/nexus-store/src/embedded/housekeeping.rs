//! What has to be looked after although nobody asks: whether the file is still there, and that its
//! write-ahead log does not stay long.

use super::presence::{Log, Presence};
use super::writer::Nudge;

/// After how many looks without a commit the log is emptied: about two seconds.
const QUIET: u32 = 8;

/// Looks after the file.
#[derive(Debug)]
pub(super) struct Housekeeping {
    presence: Presence,
    writer: Nudge,
    log: Log,
    quiet: u32,
    is_told: bool,
}

impl Housekeeping {
    pub(super) fn new(presence: Presence, writer: Nudge) -> Self {
        Self {
            presence,
            writer,
            log: Log::default(),
            quiet: 0,
            is_told: false,
        }
    }

    /// Takes one look.
    pub(super) fn keep(&mut self) {
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
