//! The one thread that writes. What is queued when it is free becomes one transaction, so that a
//! busy store pays for one flush to the disk where a quiet one pays for one write.
//!
//! Nobody is answered before the commit. A job runs whole or not at all, whether or not its caller
//! still waits, and one that fails takes back only its own changes.

use std::io;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::changes::{Change, Changes, generation};
use super::fault::stopped;
use super::open::PATIENCE;
use super::presence::{Log, Loss, Presence};
use super::schema;
use super::threads::Joined;
use crate::StoreError;

/// How many jobs share a transaction at most.
const GROUP: usize = 64;

/// How many jobs wait before the next one waits to be handed in.
const QUEUE: usize = 1024;

/// From which length on, in bytes, commits are moved from the write-ahead log into the file.
const LONG: u64 = 4 << 20;

/// From which length on the log is cut as well.
const TOO_LONG: u64 = 64 << 20;

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
    pub(super) fn start(
        connection: Connection,
        changes: Changes,
        presence: Presence,
    ) -> io::Result<Self> {
        let (queue, mut jobs) = mpsc::channel(QUEUE);
        let thread = Joined::start("nexus-store-write", move || {
            let mut desk = Desk {
                connection,
                changes,
                presence,
                erased: false,
                marks: true,
                is_salvaged: false,
            };
            let mut group = Vec::with_capacity(GROUP);
            while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
                desk.finish(&mut group);
            }
            // A store that is closed at once may be the first to see that its file has gone.
            if desk.presence.check().is_err() {
                desk.salvage();
            }
        })?;
        Ok(Self { queue, thread })
    }

    /// Does `work` in a transaction, and answers when that is durable.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hand_in(work, |_| Vec::new(), After::Nothing).await
    }

    /// Does `work`, and notes what it changed as `changed` says.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        changed: impl FnOnce(&T) -> Vec<Change> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hand_in(work, changed, After::Nothing).await
    }

    /// As [`change`](Self::change), and then takes what was deleted out of the write-ahead log too.
    pub(super) async fn erase<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        changed: impl FnOnce(&T) -> Vec<Change> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hand_in(work, changed, After::Erasure).await
    }

    async fn hand_in<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        changed: impl FnOnce(&T) -> Vec<Change> + Send + 'static,
        after: After,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            result: None,
            changed,
            after,
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

    /// For whoever sees that there is something to tidy up.
    pub(super) fn nudge(&self) -> Nudge {
        Nudge(self.queue.clone())
    }
}

/// Makes the writer look after the file although there is nothing to write.
#[derive(Clone, Debug)]
pub(super) struct Nudge(mpsc::Sender<Box<dyn Job>>);

impl Nudge {
    /// Whether it will: a writer that is busy need not be told.
    pub(super) fn nudge(&self) -> bool {
        let (reply, _) = oneshot::channel();
        let task = Task {
            work: Some(|_: &Connection| Ok(())),
            result: None,
            changed: |(): &()| Vec::new(),
            after: After::Tidying,
            reply,
        };
        self.0.try_send(Box::new(task)).is_ok()
    }
}

/// What is done once a job is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Nothing,
    /// The log may be emptied.
    Tidying,
    /// The log must be emptied: it holds what must not be found again.
    Erasure,
}

/// Something to write, and somebody who waits for it.
trait Job: Send {
    /// Makes the changes, in a transaction that may hold other jobs as well.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// What is to be done afterwards.
    fn after(&self) -> After;
    /// Notes what was changed and answers, after the transaction has ended one way or the other.
    fn answer(self: Box<Self>, commit: Result<(), StoreError>, changes: &Changes);
}

struct Task<T, F, C> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    changed: C,
    after: After,
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

    fn after(&self) -> After {
        self.after
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
    presence: Presence,
    /// Deleted text may still be in the write-ahead log.
    erased: bool,
    /// The next commit marks the file: see [`header::follows`](super::header::follows).
    marks: bool,
    /// What could be saved of a file that is gone is saved.
    is_salvaged: bool,
}

impl Desk {
    /// Commits a group of jobs and answers all of them.
    fn finish(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let commit = self.commit(group);
        match &commit {
            Ok(log) => {
                tracing::trace!(jobs = group.len(), "committed");
                let wanted = |after| group.iter().any(|job| job.after() == after);
                self.tidy(*log, wanted(After::Tidying), wanted(After::Erasure));
            }
            Err(error) if self.presence.loss().is_none() => {
                tracing::warn!(jobs = group.len(), %error, "nothing was written");
            }
            Err(_) => self.salvage(),
        }
        let commit = commit.map(drop);
        for job in group.drain(..) {
            job.answer(commit.clone(), &self.changes);
        }
    }

    /// Runs every job in one transaction. What was written is looked for afterwards, too: it may
    /// have gone into a file that nobody finds again.
    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<Log, StoreError> {
        self.presence.known()?;
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
        let mut empties_log = false;
        for job in group {
            empties_log |= job.after() != After::Nothing;
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
        let log = self.presence.check()?;
        let marks = self.marks || empties_log || log.length >= LONG;
        if marks {
            schema::mark(&transaction)?;
        }
        self.changes.announce(generation(&transaction)?);
        let committed = transaction.commit().map_err(StoreError::from);
        let looked = committed.and_then(|()| self.presence.check());
        let log = looked.inspect_err(|_| self.changes.take_back(before))?;
        self.marks = false;
        Ok(log)
    }

    /// Keeps the write-ahead log short. The file has been marked where it is long.
    fn tidy(&mut self, log: Log, is_quiet: bool, just_erased: bool) {
        if just_erased || self.erased {
            self.empty_log(just_erased);
        } else if is_quiet || log.length >= TOO_LONG {
            _ = self.truncate_log(Duration::ZERO);
        } else if log.length >= LONG {
            // Moves commits into the file, so that the log is used again from its beginning.
            _ = self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)");
        }
    }

    /// Takes deleted text out of the write-ahead log. A reader that is in the middle of it may
    /// prevent that: then it is tried again after each later write, and at the latest the log goes
    /// away with the last connection.
    fn empty_log(&mut self, just_erased: bool) {
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

    /// Whether it is empty now.
    fn truncate_log(&self, patience: Duration) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(patience)?;
        let emptied = self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)");
        self.connection.busy_timeout(PATIENCE)?;
        emptied
    }

    fn checkpoint(&self, pragma: &str) -> rusqlite::Result<bool> {
        let blocked = self
            .connection
            .query_row(pragma, [], |row| row.get::<_, bool>(0));
        blocked.map(|blocked| !blocked)
    }

    /// Saves what can be saved once the file is gone, and makes sure that nothing is written into
    /// the one that has taken its place.
    fn salvage(&mut self) {
        if self.is_salvaged {
            return;
        }
        self.is_salvaged = true;
        match self.presence.loss() {
            // The file that is open is whole, wherever it is: it gets what is in the log.
            Some(Loss::Moved | Loss::LogMoved) if self.presence.log_is_ours() => {
                _ = self.truncate_log(READERS_LEAVE);
            }
            // The log belongs to what was there before, and would be read into what is there now.
            Some(Loss::Overwritten) => {
                let mut aside = self.presence.log_path().as_os_str().to_owned();
                aside.push(".replaced");
                if let Err(error) = std::fs::rename(self.presence.log_path(), aside) {
                    tracing::error!(%error, "the write-ahead log cannot be set aside: remove it \
                                             before the next start");
                }
            }
            Some(Loss::Moved | Loss::LogMoved) | None => {}
        }
        let closes = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        _ = self.connection.set_db_config(closes, true);
    }
}

fn execute(transaction: &Transaction<'_>, sql: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
