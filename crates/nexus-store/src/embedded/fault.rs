//! What SQLite's refusals mean to the callers of a store.

use rusqlite::{Error, ErrorCode};

use crate::StoreError;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let reason = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another process has been writing for too long: look for a program that keeps the \
                 database open, such as a backup or an SQL shell"
                    .to_owned()
            }
            Some(ErrorCode::DiskFull) => "the disk is full: free some space".to_owned(),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                "the database cannot be written: check the permissions of its file and folder, and \
                 whether the disk is mounted read-only"
                    .to_owned()
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                // All of the file, and not one row: a row that cannot be read hides only itself.
                format!("the database file is damaged ({error}): restore it from a backup")
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
                format!("the disk or the file system reports a failure ({error})")
            }
            _ => error.to_string(),
        };
        Self::Unavailable { reason }
    }
}

/// Whether a row that must be unique is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    error.sqlite_error().is_some_and(|error| {
        matches!(
            error.extended_code,
            SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE
        )
    })
}

/// What was read before is not what is there now.
pub(super) fn conflict(what: impl Into<String>) -> StoreError {
    StoreError::Conflict { what: what.into() }
}

/// A thread of the store is gone. It only ends with the store, or with a defect.
pub(super) fn stopped() -> StoreError {
    StoreError::Unavailable {
        reason: "the store has stopped".to_owned(),
    }
}
