//! What was changed in the file, by this process and by others.
//!
//! A number in the database, the generation, grows in the transaction that changes a template, an
//! identity, a session or an API key. The writer accounts for what it adds to it. Where the number
//! is higher than that, another process has changed something, and everything is evicted.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::presence::Presence;
use crate::lease::Lease;
use crate::{Evictions, StoreError, Subject};

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
    evictions: Evictions,
    /// The generation up to which everything is noted, or is about to be by the writer.
    accounted: Arc<AtomicI64>,
}

impl Changes {
    /// Starts with the generation of the data that is there.
    pub(super) fn new(generation: i64) -> Self {
        Self {
            evictions: Evictions::new(),
            accounted: Arc::new(AtomicI64::new(generation)),
        }
    }

    pub(super) const fn evictions(&self) -> &Evictions {
        &self.evictions
    }

    /// Notes what was committed here, before its caller is told that it is.
    pub(super) fn tell(&self, change: Change) {
        match change {
            Change::Template => self.evictions.evict_template(),
            Change::Of(subject) => self.evictions.evict(subject),
        }
    }

    /// Accounts for what the writer is about to commit. Until then no other process can commit.
    pub(super) fn announce(&self, generation: i64) {
        self.accounted.fetch_max(generation, Ordering::AcqRel);
    }

    /// Takes back what was announced and not committed. Another process may have used the number
    /// since, so everything is evicted.
    pub(super) fn take_back(&self, generation: i64) {
        self.accounted.store(generation, Ordering::Release);
        self.evictions.evict_all();
    }

    /// Looks at a generation that was found.
    pub(super) fn found(&self, generation: i64) {
        if self.accounted.fetch_max(generation, Ordering::AcqRel) < generation {
            self.evictions.evict_all();
        }
    }
}

/// Looks for what other processes have changed, for each request.
#[derive(Debug)]
pub(super) struct Lookout {
    changes: Changes,
    presence: Presence,
    look: Mutex<Look>,
}

#[derive(Debug)]
struct Look {
    connection: Connection,
    seen: Option<i64>,
    is_failing: bool,
}

impl Lookout {
    pub(super) fn new(connection: Connection, changes: Changes, presence: Presence) -> Self {
        let look = Look {
            connection,
            seen: None,
            is_failing: false,
        };
        Self {
            changes,
            presence,
            look: Mutex::new(look),
        }
    }

    /// A lease that holds until another process changes something. It takes microseconds: nothing is
    /// read but a counter in memory, unless another connection has written.
    ///
    /// # Errors
    /// When the file has gone: an open one answers on, and no change reaches it any more.
    pub(super) fn lease(&self) -> Result<Lease, StoreError> {
        self.presence.check()?;
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = look.again(&self.changes);
        let was_failing = std::mem::replace(&mut look.is_failing, looked.is_err());
        drop(look);
        let Err(error) = looked else {
            return Ok(self.changes.evictions.lease_until_evicted());
        };
        if !was_failing {
            tracing::warn!(%error, "cannot look for changes of other processes: nothing is kept");
        }
        self.changes.evictions.evict_all();
        Ok(self.changes.evictions.lease_without_cache())
    }
}

impl Look {
    /// `data_version` moves with every commit of any other connection, messages included.
    fn again(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if self.seen != Some(version) {
            changes.found(generation(&self.connection)?);
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
