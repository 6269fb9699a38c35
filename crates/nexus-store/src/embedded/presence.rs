//! Whether the file that is open is still the one that is found under its name.
//!
//! A file that was moved, deleted or replaced while it is open goes on taking writes that nobody
//! finds again; one that was copied over holds pages of two databases. Both are looked for before
//! every commit, and from then on nothing is read or written: only a restart ends that.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use super::header::{self, Header};
use crate::StoreError;

/// How often a header that does not fit is read again: another process may be writing it.
const ATTEMPTS: u32 = 100;

/// What happened to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It is not there any more, or another one is.
    Moved,
    /// Its write-ahead log or the index of that is not there any more, or another one is.
    LogMoved,
    /// Something else was written into it.
    Overwritten,
}

/// What the write-ahead log is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// Its length in bytes.
    pub(super) length: u64,
    modified: Option<SystemTime>,
}

/// Knows the file that was opened. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Presence(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// The database, its write-ahead log, and the index of that, with what was opened.
    files: [(PathBuf, FileId); 3],
    file: Arc<File>,
    seen: Mutex<Seen>,
    loss: OnceLock<Loss>,
}

/// What the database file was like when it was last looked into.
#[derive(Clone, Debug)]
struct Seen {
    stamp: Stamp,
    header: Header,
}

impl Presence {
    /// Remembers what is found under the names now. The database is open, and has been read.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let mut files =
            [path.to_owned(), beside("-wal"), beside("-shm")].map(|path| (path, FileId::default()));
        for (path, id) in &mut files {
            *id = FileId::of(&fs::metadata(path)?);
        }
        let file = keep_open(path, files[0].1)?;
        let seen = Seen {
            stamp: Stamp::of(&fs::metadata(path)?),
            header: header::read(&file)?,
        };
        Ok(Self(Arc::new(Known {
            files,
            file,
            seen: Mutex::new(seen),
            loss: OnceLock::new(),
        })))
    }

    /// What happened, if it was noticed.
    pub(super) fn loss(&self) -> Option<Loss> {
        self.0.loss.get().copied()
    }

    /// Refuses to go on after what was noticed.
    pub(super) fn known(&self) -> Result<(), StoreError> {
        match self.loss() {
            None => Ok(()),
            Some(_) => Err(self.refusal()),
        }
    }

    /// Looks, and refuses to go on when the file is not what it was. Costs some microseconds.
    pub(super) fn check(&self) -> Result<Log, StoreError> {
        self.known()?;
        match self.look() {
            Ok(log) => Ok(log),
            Err(loss) => {
                if self.0.loss.set(loss).is_ok() {
                    let what = match loss {
                        Loss::Moved => "was moved, deleted or replaced",
                        Loss::LogMoved => "lost its write-ahead log",
                        Loss::Overwritten => "was written over",
                    };
                    tracing::error!(
                        path = %self.path().display(),
                        "the database file {what} while it was in use: nothing is read or written \
                         any more. Stop the server, put the file back or restore a backup, and start \
                         it again (docs/reliability.md)"
                    );
                }
                Err(self.refusal())
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.files[0].0
    }

    pub(super) fn log_path(&self) -> &Path {
        &self.0.files[1].0
    }

    /// Whether the write-ahead log is where it was, or nothing is there: then nobody else has
    /// another one.
    pub(super) fn log_is_ours(&self) -> bool {
        let (path, id) = &self.0.files[1];
        fs::metadata(path).map_or(true, |facts| FileId::of(&facts) == *id)
    }

    fn refusal(&self) -> StoreError {
        StoreError::Unavailable {
            reason: format!(
                "{} is not the file any more that was opened: stop the server, put the file back or \
                 restore a backup, and start it again",
                self.path().display()
            ),
        }
    }

    fn look(&self) -> Result<Log, Loss> {
        let [main, log, index] = &self.0.files;
        let look = |(path, id): &(PathBuf, FileId), loss| match fs::metadata(path) {
            Ok(facts) if FileId::of(&facts) == *id => Ok(facts),
            Ok(_) | Err(_) => Err(loss),
        };
        let facts = look(main, Loss::Moved)?;
        let log = look(log, Loss::LogMoved)?;
        look(index, Loss::LogMoved)?;
        let stamp = Stamp::of(&facts);
        let mut seen = self.seen();
        if seen.stamp != stamp {
            seen.header = self.header_after(&seen.header).ok_or(Loss::Overwritten)?;
            seen.stamp = stamp;
        }
        Ok(Log {
            length: log.len(),
            modified: log.modified().ok(),
        })
    }

    /// The header as it is, if it can follow upon another.
    fn header_after(&self, before: &Header) -> Option<Header> {
        for attempt in 1.. {
            let now = header::read(&self.0.file).ok();
            match now.filter(|now| header::follows(before, now)) {
                None if attempt < ATTEMPTS => std::thread::yield_now(),
                found => return found,
            }
        }
        None
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    #[cfg(unix)]
    fn of(facts: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            device: facts.dev(),
            inode: facts.ino(),
        }
    }

    /// Elsewhere, a file that is open cannot be moved.
    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self::default()
    }
}

/// Differs after each write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(facts: &Metadata) -> Self {
        Self {
            length: facts.len(),
            modified: facts.modified().ok(),
        }
    }
}

/// A handle of the file that is closed with the process only: to close one gives up the locks that
/// SQLite holds on the same file in this process.
fn keep_open(path: &Path, id: FileId) -> io::Result<Arc<File>> {
    static OPEN: Mutex<BTreeMap<FileId, Arc<File>>> = Mutex::new(BTreeMap::new());
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = open.get(&id) {
        return Ok(Arc::clone(file));
    }
    let file = Arc::new(File::open(path)?);
    open.insert(id, Arc::clone(&file));
    Ok(file)
}
