//! Who may have to read again.
//!
//! A number in the database, the generation, grows in the transaction that makes a change. The
//! writer accounts for what it adds to it. Where the number is higher than that, another process
//! has changed something; nobody knows what, so then everything is in doubt.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;

use super::housekeeping::Housekeeping;
use super::presence::Presence;
use super::threads::Joined;
use crate::Subject;
use crate::freshness::{self, Freshness};

/// How often other processes are looked for. A look costs a few microseconds.
const PERIOD: Duration = Duration::from_millis(250);

/// What a job of this process changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Template,
    Of(Subject),
}

impl<S: Into<Subject>> From<S> for Change {
    fn from(subject: S) -> Self {
        Self::Of(subject.into())
    }
}

/// What is known of changes.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    freshness: Freshness,
    templates: watch::Sender<u64>,
    /// The generation up to which everything is noted, or is about to be by the writer.
    accounted: Arc<AtomicI64>,
}

impl Changes {
    /// Starts with the generation of the data that is there.
    pub(super) fn new(generation: i64) -> Self {
        Self {
            freshness: Freshness::new(),
            templates: watch::Sender::new(1),
            accounted: Arc::new(AtomicI64::new(generation)),
        }
    }

    pub(super) fn templates(&self) -> watch::Receiver<u64> {
        self.templates.subscribe()
    }

    pub(super) fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Notes what was committed here, before anybody is told that it is.
    pub(super) fn tell(&self, change: Change) {
        match change {
            Change::Template => self.templates.send_modify(|number| *number += 1),
            Change::Of(subject) => self.freshness.changed(subject),
        }
    }

    /// Accounts for what the writer is about to commit. Until then nobody else can commit.
    pub(super) fn announce(&self, generation: i64) {
        self.accounted.fetch_max(generation, Ordering::AcqRel);
    }

    /// Takes back what was announced and not committed. Somebody else may have used the number
    /// since, so this is a doubt too.
    pub(super) fn take_back(&self, generation: i64) {
        self.accounted.store(generation, Ordering::Release);
        self.doubt();
    }

    /// Looks at a generation that was found.
    pub(super) fn found(&self, generation: i64) {
        if self.accounted.fetch_max(generation, Ordering::AcqRel) < generation {
            self.doubt();
        }
    }

    fn doubt(&self) {
        self.freshness.doubt();
        self.templates.send_modify(|number| *number += 1);
    }
}

/// Looks for what other processes did: a thread again and again, and whoever is asked whether
/// something has changed.
#[derive(Debug)]
pub(super) struct Lookout {
    _stop: mpsc::Sender<Infallible>,
    _look: Arc<dyn freshness::Look>,
    _thread: Joined,
}

impl Lookout {
    /// Looks for the first time, and starts the thread, which also keeps house: it tells the writer
    /// when the log can be emptied, and when the file is gone.
    pub(super) fn start(
        connection: Connection,
        presence: Presence,
        changes: &Changes,
        mut house: Housekeeping,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<Infallible>();
        let mut look = Look {
            connection,
            presence,
            changes: changes.clone(),
            seen: None,
            failing: false,
        };
        look.again();
        let look = Arc::new(Shared(Mutex::new(look)));
        let shared: Arc<dyn freshness::Look> = look.clone();
        changes.freshness.look_with(&shared);
        let thread = Joined::start("nexus-store-look", move || {
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                freshness::Look::look(&*look);
                house.keep();
            }
        })?;
        Ok(Self {
            _stop: stop,
            _look: shared,
            _thread: thread,
        })
    }
}

/// A look that is taken by one at a time.
#[derive(Debug)]
struct Shared(Mutex<Look>);

impl freshness::Look for Shared {
    fn look(&self) {
        let mut look = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look.again();
    }
}

#[derive(Debug)]
struct Look {
    connection: Connection,
    presence: Presence,
    changes: Changes,
    seen: Option<i64>,
    failing: bool,
}

impl Look {
    fn again(&mut self) {
        // An open file answers on after it has gone, and no change reaches it any more: nothing that
        // was read from it may be used. The log has it already.
        if self.presence.check().is_err() {
            self.changes.freshness.doubt();
            return;
        }
        let since = Instant::now();
        let result = self.look();
        match &result {
            Ok(()) => self.changes.freshness.vouch(since),
            Err(error) => {
                if !self.failing {
                    tracing::warn!(%error, "cannot look for changes of other processes");
                }
                self.changes.doubt();
            }
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
            self.changes.found(generation(&self.connection)?);
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
