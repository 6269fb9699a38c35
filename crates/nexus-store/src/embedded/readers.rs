//! The threads that read: each has its own connection, and takes the next question when it is free.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::stopped;
use super::presence::Presence;
use super::threads::Joined;
use crate::StoreError;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// Reads. The desk comes first, so that it is closed before the threads are waited for.
#[derive(Debug)]
pub(super) struct Readers {
    presence: Presence,
    desk: Desk,
    threads: Vec<Joined>,
}

impl Readers {
    /// Starts one thread for each connection.
    pub(super) fn start(connections: Vec<Connection>, presence: Presence) -> io::Result<Self> {
        let mut readers = Self {
            presence,
            desk: Desk(Arc::default()),
            threads: Vec::new(),
        };
        for connection in connections {
            let queue = Arc::clone(&readers.desk.0);
            readers
                .threads
                .push(Joined::start("nexus-store-read", move || {
                    while let Some(question) = queue.next() {
                        question(&connection);
                    }
                })?);
        }
        Ok(readers)
    }

    /// Asks, and waits for the answer. A question that nobody waits for any more is not asked.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.presence.check()?;
        let (reply, answer) = oneshot::channel();
        self.desk.0.put(Box::new(move |connection| {
            if !reply.is_closed() {
                _ = reply.send(question(connection));
            }
        }));
        answer.await.map_err(|_| stopped())?
    }

    /// Whether the threads still take questions.
    pub(super) fn are_running(&self) -> bool {
        self.threads.iter().all(Joined::is_running)
    }
}

/// Closes the queue when it is dropped: what is in it is still answered.
struct Desk(Arc<Queue>);

impl Drop for Desk {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.news.notify_all();
    }
}

/// One question wakes one thread. It has no limit of its own: every question has a caller that
/// waits for the answer, so there are never more of them than callers.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Default)]
struct Waiting {
    questions: VecDeque<Question>,
    closed: bool,
}

impl Queue {
    fn put(&self, question: Question) {
        self.lock().questions.push_back(question);
        self.news.notify_one();
    }

    fn next(&self) -> Option<Question> {
        let nothing = |waiting: &mut Waiting| waiting.questions.is_empty() && !waiting.closed;
        let waiting = self.news.wait_while(self.lock(), nothing);
        waiting
            .unwrap_or_else(PoisonError::into_inner)
            .questions
            .pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Desk")
            .field(&self.0.lock().questions.len())
            .finish()
    }
}
