//! Who may have to read again: the generation of the data, told to everybody who waits for it.
//!
//! The number lives in the database and grows in the transaction that makes a change. The writer
//! tells it after its own commits, a thread of its own tells it after those of other processes.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use super::threads::Joined;

/// How often other processes are looked for. A look costs a few microseconds.
const PERIOD: Duration = Duration::from_millis(250);

/// The newest known generation.
#[derive(Clone, Debug)]
pub(super) struct Changes(watch::Sender<u64>);

impl Changes {
    /// Starts with the generation of the data that is there.
    pub(super) fn new(generation: i64) -> Self {
        Self(watch::Sender::new(generation.cast_unsigned()))
    }

    /// Tells a generation, if it is news.
    pub(super) fn publish(&self, generation: i64) {
        let generation = generation.cast_unsigned();
        self.0.send_if_modified(|known| {
            let is_news = generation > *known;
            *known = generation.max(*known);
            is_news
        });
    }

    /// Something to wait on for the next change.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// The thread that looks for what other processes did. It ends at once when this is dropped.
#[derive(Debug)]
pub(super) struct Lookout {
    _stop: mpsc::Sender<Infallible>,
    _thread: Joined,
}

impl Lookout {
    /// Starts the thread.
    pub(super) fn start(connection: Connection, changes: Changes) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<Infallible>();
        let thread = Joined::start("nexus-store-look", move || {
            let mut look = Look {
                connection,
                changes,
                seen: None,
                failing: false,
            };
            look.again();
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                look.again();
            }
        })?;
        Ok(Self {
            _stop: stop,
            _thread: thread,
        })
    }
}

struct Look {
    connection: Connection,
    changes: Changes,
    seen: Option<i64>,
    failing: bool,
}

impl Look {
    fn again(&mut self) {
        let result = self.look();
        if let Err(error) = &result
            && !self.failing
        {
            tracing::warn!(%error, "cannot look for changes of other processes");
        }
        self.failing = result.is_err();
    }

    /// `data_version` moves with every commit of any other connection, messages included.
    fn look(&mut self) -> rusqlite::Result<()> {
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if self.seen != Some(version) {
            self.changes.publish(generation(&self.connection)?);
            self.seen = Some(version);
        }
        Ok(())
    }
}

/// How many changes of templates, identities and sessions there have been.
pub(super) fn generation(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(super::sql::GENERATION)?
        .query_row([], |row| row.get(0))
}
