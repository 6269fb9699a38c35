//! What is logged, kept for a test to read.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::Level;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// Keeps what is logged. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Keeps what this thread logs, as JSON lines, until the guard is dropped.
    #[must_use]
    pub fn of_thread(level: Level) -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(level)
            .with_writer(log.clone());
        (log, tracing::subscriber::set_default(subscriber.finish()))
    }

    /// Keeps everything that this process logs from now on, as plain text. Only the first one of a
    /// process does.
    #[must_use]
    pub fn of_process() -> Self {
        let log = Self::default();
        _ = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(log.clone())
            .try_init();
        log
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Line by line, where it is kept as JSON.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The fields of the lines with this message.
    #[must_use]
    pub fn lines_about(&self, message: &str) -> Vec<Value> {
        let lines = self.lines().into_iter();
        lines
            .map(|mut line| line["fields"].take())
            .filter(|fields| fields["message"] == message)
            .collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
