//! Standard error as a server writes it: a line that cannot be written at once is dropped and
//! counted. A reader that went away, one that reads nothing, or a full disk is no reason for a
//! request to fail or to wait.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::LogFormat;

/// A pipe that is ready takes this much without waiting (`PIPE_BUF` of Linux; POSIX guarantees less,
/// but macOS takes this much too).
const AT_ONCE: usize = 4096;

/// The lines that were dropped since the last one that was written.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Writes each line of the log as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stderr {
    pub(super) format: LogFormat,
}

/// Writes a line, if that is possible now.
pub(super) fn write_line(line: &[u8], format: LogFormat) {
    let mut stderr = io::stderr().lock();
    let dropped = DROPPED.load(Ordering::Relaxed);
    let notice = (dropped > 0).then(|| notice(dropped, format));
    let parts = notice.iter().map(String::as_bytes).chain([line]);
    for chunk in parts.flat_map(|part| part.chunks(AT_ONCE)) {
        if !is_ready(&stderr) || stderr.write_all(chunk).is_err() {
            DROPPED.store(dropped + 1, Ordering::Relaxed);
            return;
        }
    }
    DROPPED.store(0, Ordering::Relaxed);
}

/// Also true of a stream whose reader is gone: writing to it fails at once.
fn is_ready(stream: &impl AsFd) -> bool {
    let mut waiting = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut waiting, PollTimeout::ZERO) {
        Ok(ready) => ready > 0,
        // Not a stream that can be waited for.
        Err(_) => true,
    }
}

/// The line break ends a line of which only the beginning was written.
fn notice(dropped: u64, format: LogFormat) -> String {
    let message = format!("{dropped} lines of the log could not be written and are lost");
    match format {
        LogFormat::Text => format!("\n WARN nexus::logs: {message}\n"),
        LogFormat::Json => {
            format!(
                "\n{{\"level\":\"WARN\",\"message\":\"{message}\",\"target\":\"nexus::logs\"}}\n"
            )
        }
    }
}

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        write_line(line, self.format);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}
