//! Opening the database file: what can be in the way, and how each connection is set up.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema::{self, Found};
use crate::StoreError;

/// The name of the database file in the data folder.
pub(super) const FILE_NAME: &str = "nexus.db";

/// How long a connection waits for another process that writes.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The longest path that SQLite opens, in bytes, with room for what it adds to it.
const LONGEST_PATH: usize = 500;

/// More than there are different statements: each is prepared once per connection.
const CACHED_STATEMENTS: usize = 128;

/// The database could not be opened. Nothing that was there has been changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder is missing and cannot be made.
    #[error("the data folder {} cannot be created ({source}): create it, or choose another", .folder.display())]
    Folder {
        /// The data folder.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file system or SQLite does not take so long a path.
    #[error("the path {} is too long: choose a data folder with a shorter one", .path.display())]
    TooLong {
        /// The database file.
        path: PathBuf,
    },
    /// There is a write-ahead log, and not the file that it belongs to.
    #[error("{} is missing, and what belongs to it is there ({}): put the file back or restore a backup; to start empty, remove {}-wal and {}-shm", .path.display(), .log.display(), .path.display(), .path.display())]
    Missing {
        /// The database file.
        path: PathBuf,
        /// What is there of it.
        log: PathBuf,
    },
    /// A file is where the data folder should be.
    #[error("{} is a file, but a data folder is expected: name the folder that the file is in, or choose another", .folder.display())]
    NotAFolder {
        /// What was named as the data folder.
        folder: PathBuf,
    },
    /// Something else is where the database file should be.
    #[error("{} is a folder, but the database file belongs there: move it away, or choose another data folder", .path.display())]
    NotAFile {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not a database.
    #[error("{} is not a database: restore it from a backup, or move it away to start empty", .path.display())]
    NotADatabase {
        /// The database file.
        path: PathBuf,
    },
    /// The file is a database of another program.
    #[error("{} is a database of another program: choose another data folder", .path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// The file was written by a newer Nexus.
    #[error("{} was written by a newer Nexus (schema {found}, this one knows {known}): use that version or newer", .path.display())]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The file or its folder cannot be written.
    #[error("{} cannot be opened for writing: check who owns it and its folder, and whether the disk is mounted read-only", .path.display())]
    ReadOnly {
        /// The database file.
        path: PathBuf,
    },
    /// Another process holds the file.
    #[error("{} is held by another process: look for a program that keeps it open, such as a backup or an SQL shell", .path.display())]
    Busy {
        /// The database file.
        path: PathBuf,
    },
    /// The file system lacks what a write-ahead log needs.
    #[error("the file system of {} cannot share a database between processes, as network folders cannot: choose a folder on a local disk", .path.display())]
    NotShareable {
        /// The database file.
        path: PathBuf,
    },
    /// Anything else.
    #[error("{} cannot be opened: {reason}", .path.display())]
    Failed {
        /// The database file.
        path: PathBuf,
        /// What the database or the operating system says.
        reason: String,
    },
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::TooNew { found, known, .. } => Self::TooNew { found, known },
            other => Self::Unavailable {
                reason: other.to_string(),
            },
        }
    }
}

/// Makes the folder if it is missing, opens the file and brings it to the current schema.
/// The result may write.
pub(super) fn open(folder: &Path) -> Result<(PathBuf, Connection), OpenError> {
    let path = std::path::absolute(folder.join(FILE_NAME)).map_err(|source| OpenError::Folder {
        folder: folder.to_owned(),
        source,
    })?;
    if path.as_os_str().len() > LONGEST_PATH {
        return Err(OpenError::TooLong { path });
    }
    make_folder(folder)?;
    if path.is_dir() {
        return Err(OpenError::NotAFile { path });
    }
    if let Some(log) = left_over(&path) {
        return Err(OpenError::Missing { path, log });
    }
    match prepare(&path) {
        Ok(connection) => Ok((path, connection)),
        Err(Obstacle::Known(error)) => Err(error),
        Err(Obstacle::Sqlite(error)) => Err(explain(path, &error)),
    }
}

/// What a file that is not there has left. A store that is closed leaves nothing.
fn left_over(path: &Path) -> Option<PathBuf> {
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let mut left = ["-wal", "-shm"].map(beside).into_iter();
    // First what is left, then the file: another process may be closing or making it.
    left.find(|it| it.exists()).filter(|_| !path.exists())
}

/// Opens one more connection, which can only read. The file is there and current.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        set_up(&connection)?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| explain(path.to_owned(), &error))
}

enum Obstacle {
    Known(OpenError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Obstacle {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(path: &Path) -> Result<Connection, Obstacle> {
    let is_new = !path.exists();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection)?;
    if is_new {
        keep_private(path)?;
    }
    match schema::inspect(&connection)? {
        Found::Usable => {}
        Found::Foreign => {
            return Err(Obstacle::Known(OpenError::Foreign {
                path: path.to_owned(),
            }));
        }
        Found::TooNew(found) => {
            let path = path.to_owned();
            return Err(Obstacle::Known(OpenError::TooNew {
                path,
                found,
                known: schema::known(),
            }));
        }
    }
    // SQLite opens a file that it must not write for reading only, and says nothing.
    if connection.is_readonly("main")? {
        return Err(Obstacle::Known(OpenError::ReadOnly {
            path: path.to_owned(),
        }));
    }
    use_write_ahead_log(path, &connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Erased text is overwritten with zeros, not only unlinked.
    connection.pragma_update(None, "secure_delete", true)?;
    // The writer decides when.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    schema::migrate(&connection)?;
    Ok(connection)
}

/// What holds for every connection.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // Otherwise SQLite may plan a prepared statement anew for every value that is bound to it,
    // which takes longer than most of our statements do.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Switches a new file to the write-ahead log. The switch needs the file alone and does not wait
/// for it as everything else does, so that two processes that open a new file at once would refuse
/// each other: an empty transaction does the waiting.
fn use_write_ahead_log(path: &Path, connection: &Connection) -> Result<(), Obstacle> {
    let mut attempts = 0;
    loop {
        let switched = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match switched.map(|mode: String| mode == "wal") {
            Ok(true) => return Ok(()),
            Ok(false) => {
                return Err(Obstacle::Known(OpenError::NotShareable {
                    path: path.to_owned(),
                }));
            }
            Err(error) if is_busy(&error) && attempts < 100 => {
                attempts += 1;
                connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn explain(path: PathBuf, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::NotADatabase { path }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            OpenError::ReadOnly { path }
        }
        Some(ErrorCode::DiskFull) => OpenError::Failed {
            path,
            reason: "the disk is full, free some space".to_owned(),
        },
        _ if is_busy(error) => OpenError::Busy { path },
        _ => OpenError::Failed {
            path,
            reason: error.to_string(),
        },
    }
}

fn make_folder(folder: &Path) -> Result<(), OpenError> {
    if folder.is_file() {
        return Err(OpenError::NotAFolder {
            folder: folder.to_owned(),
        });
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|source| match source.kind() {
            io::ErrorKind::InvalidFilename => OpenError::TooLong {
                path: folder.join(FILE_NAME),
            },
            _ => OpenError::Folder {
                folder: folder.to_owned(),
                source,
            },
        })
}

/// Conversations are nobody else's business. By path and never through a file handle: closing one
/// would give up the locks that SQLite holds on the same file in this process.
#[cfg(unix)]
fn keep_private(path: &Path) -> Result<(), Obstacle> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|error| {
        Obstacle::Known(OpenError::Failed {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    })
}

#[cfg(not(unix))]
fn keep_private(_: &Path) -> Result<(), Obstacle> {
    Ok(())
}
