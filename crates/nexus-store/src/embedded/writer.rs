//! The one thread that writes. What is queued when it is free becomes one transaction, so that a
//! busy store pays for one flush to the disk where a quiet one pays for one write.
//!
//! Nobody is answered before the commit. A job runs whole or not at all, whether or not its caller
//! still waits, and one that fails takes back only its own changes.

use std::io;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::changes::{Change, Changes, generation};
use super::fault::stopped;
use super::open::PATIENCE;
use super::schema;
use super::threads::Joined;
use crate::StoreError;

/// How many jobs share a transaction at most.
const GROUP: usize = 64;

/// How many jobs wait before the next one waits to be handed in.
const QUEUE: usize = 1024;

/// How long an erasure waits for readers, so that it can empty the write-ahead log.
const READERS_LEAVE: Duration = Duration::from_millis(250);

/// Writes. The queue comes first, so that it is closed before the thread is waited for.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    thread: Joined,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection, changes: Changes) -> io::Result<Self> {
        let (queue, mut jobs) = mpsc::channel(QUEUE);
        let thread = Joined::start("nexus-store-write", move || {
            let mut desk = Desk {
                connection,
                changes,
                erased: false,
            };
            let mut group = Vec::with_capacity(GROUP);
            while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
                desk.finish(&mut group);
            }
        })?;
        Ok(Self { queue, thread })
    }

    /// Does `work` in a transaction, and answers when that is durable.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hand_in(work, |_| Vec::new(), false).await
    }

    /// Does `work`, and notes what it changed as `changed` says.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        changed: impl FnOnce(&T) -> Vec<Change> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hand_in(work, changed, false).await
    }

    /// As [`change`](Self::change), and then takes what was deleted out of the write-ahead log too.
    pub(super) async fn erase<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        changed: impl FnOnce(&T) -> Vec<Change> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hand_in(work, changed, true).await
    }

    async fn hand_in<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        changed: impl FnOnce(&T) -> Vec<Change> + Send + 'static,
        erases: bool,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            result: None,
            changed,
            erases,
            reply,
        };
        self.queue
            .send(Box::new(task))
            .await
            .map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Whether the thread still takes jobs.
    pub(super) fn is_running(&self) -> bool {
        self.thread.is_running()
    }
}

/// Something to write, and somebody who waits for it.
trait Job: Send {
    /// Makes the changes, in a transaction that may hold other jobs as well.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// Whether it deletes what must not be found again.
    fn erases(&self) -> bool;
    /// Notes what was changed and answers, after the transaction has ended one way or the other.
    fn answer(self: Box<Self>, commit: Result<(), StoreError>, changes: &Changes);
}

struct Task<T, F, C> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    changed: C,
    erases: bool,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F, C> Job for Task<T, F, C>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    C: FnOnce(&T) -> Vec<Change> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        let result = work(connection);
        let outcome = result.as_ref().map(drop).map_err(Clone::clone);
        self.result = Some(result);
        outcome
    }

    fn erases(&self) -> bool {
        self.erases
    }

    fn answer(self: Box<Self>, commit: Result<(), StoreError>, changes: &Changes) {
        let result = commit.and(self.result.unwrap_or_else(|| Err(stopped())));
        if let Ok(done) = &result {
            for change in (self.changed)(done) {
                changes.tell(change);
            }
        }
        // Whoever does not wait any more does not need to know.
        _ = self.reply.send(result);
    }
}

struct Desk {
    connection: Connection,
    changes: Changes,
    /// Deleted text may still be in the write-ahead log.
    erased: bool,
}

impl Desk {
    /// Commits a group of jobs and answers all of them.
    fn finish(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let commit = self.commit(group);
        match &commit {
            Ok(()) => {
                tracing::trace!(jobs = group.len(), "committed");
                self.empty_log(group.iter().any(|job| job.erases()));
            }
            Err(error) => tracing::warn!(jobs = group.len(), %error, "nothing was written"),
        }
        for job in group.drain(..) {
            job.answer(commit.clone(), &self.changes);
        }
    }

    /// Runs every job in one transaction.
    fn commit(&self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let found = schema::version(&transaction)?;
        if found > schema::known() {
            return Err(StoreError::TooNew {
                found,
                known: schema::known(),
            });
        }
        let before = generation(&transaction)?;
        self.changes.found(before);
        for job in group {
            execute(&transaction, "SAVEPOINT job")?;
            if let Err(error) = job.run(&transaction) {
                // A full disk, for one, may have ended the whole transaction.
                if transaction.is_autocommit() {
                    return Err(error);
                }
                execute(&transaction, "ROLLBACK TO job")?;
            }
            execute(&transaction, "RELEASE job")?;
        }
        self.changes.announce(generation(&transaction)?);
        transaction
            .commit()
            .inspect_err(|_| self.changes.take_back(before))?;
        Ok(())
    }

    /// Takes deleted text out of the write-ahead log. A reader that is in the middle of it may
    /// prevent that: then it is tried again after each later write, and at the latest the log goes
    /// away with the last connection.
    fn empty_log(&mut self, just_erased: bool) {
        if !just_erased && !self.erased {
            return;
        }
        let emptied = self.truncate_log(if just_erased {
            READERS_LEAVE
        } else {
            Duration::ZERO
        });
        self.erased = !matches!(emptied, Ok(true));
        if just_erased && self.erased {
            tracing::warn!("erased text stays in the write-ahead log until its readers leave");
        }
    }

    fn truncate_log(&self, patience: Duration) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(patience)?;
        let blocked = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, bool>(0)
            });
        self.connection.busy_timeout(PATIENCE)?;
        blocked.map(|blocked| !blocked)
    }
}

fn execute(transaction: &Transaction<'_>, sql: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
