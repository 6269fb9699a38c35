//! What the operating system asks of a program: to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Ctrl-C, and the polite request that service managers send. Once this exists, neither ends the
/// program by itself, and neither does the end of its terminal.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    /// A terminal that goes away sends it, and so do people who want settings to be read again.
    hangup: Signal,
}

impl StopSignals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(|error| refuse(&error))?,
            terminate: signal(SignalKind::terminate()).map_err(|error| refuse(&error))?,
            hangup: signal(SignalKind::hangup()).map_err(|error| refuse(&error))?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => tracing::info!(
                    "SIGHUP stops nothing and reads nothing again: a template that changes is used \
                     at once, and other settings when the server starts"
                ),
            }
        }
    }
}

/// Ctrl-C only.
pub(crate) struct Interrupts(Signal);

impl Interrupts {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let signal = signal(SignalKind::interrupt()).map_err(|error| refuse(&error))?;
        Ok(Self(signal))
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

fn refuse(error: &io::Error) -> Failure {
    Failure::new(format!("the program cannot listen to signals: {error}"))
}
