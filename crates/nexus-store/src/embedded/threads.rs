//! Threads that end with what started them.

use std::io;
use std::thread::{Builder, JoinHandle};

/// A thread that is waited for when this is dropped. It must end by itself by then: what it
/// waits for is closed before this is dropped.
#[derive(Debug)]
pub(super) struct Joined(Option<JoinHandle<()>>);

impl Joined {
    /// Starts a thread.
    pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map(|thread| Self(Some(thread)))
    }

    /// Whether it has not ended.
    pub(super) fn is_running(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if self.0.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a thread of the store ended with a panic");
        }
    }
}
