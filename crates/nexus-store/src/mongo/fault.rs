//! What the driver's refusals mean to the callers of a store.
//!
//! The driver's own texts quote documents and addresses. Only names, codes and texts that hold
//! neither are passed on.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::StoreError;

/// A document with this unique key is there already.
pub(super) const DUPLICATE_KEY: i32 = 11_000;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Unavailable {
            reason: reason(&error),
        }
    }
}

/// Why the database did not do it.
pub(super) fn reason(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::ServerSelection { message, .. } if message.contains("certificate") => {
            "the certificate of the database is not trusted: name the file with the certificate of \
             its authority in the address, as in tlsCAFile=/etc/nexus/ca.pem"
                .to_owned()
        }
        ErrorKind::ServerSelection { .. } => {
            "no primary of the database can be reached: check that it runs, that its address is \
             right, and that a majority of its members is there"
                .to_owned()
        }
        ErrorKind::Io(error) => format!("the connection to the database broke ({})", error.kind()),
        ErrorKind::ConnectionPoolCleared { .. } => {
            "the connection to the database broke".to_owned()
        }
        ErrorKind::Authentication { .. } => {
            "the database refuses the user name or the password".to_owned()
        }
        ErrorKind::Command(refused) => match refused.code {
            13 | 18 => "the database refuses the user name, the password or the access".to_owned(),
            code => format!("the database refuses: {} ({code})", refused.code_name),
        },
        ErrorKind::Write(WriteFailure::WriteError(refused)) => {
            let name = refused.code_name.as_deref().unwrap_or("write error");
            format!("the database refuses: {name} ({})", refused.code)
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(refused)) => format!(
            "no majority of the database has confirmed the write in time: {} ({})",
            refused.code_name, refused.code
        ),
        ErrorKind::InsertMany(_) => match code(error) {
            Some(code) => format!("the database refuses a document ({code})"),
            None => "no majority of the database has confirmed the write in time".to_owned(),
        },
        ErrorKind::Bson(_) => "a document cannot be written as BSON".to_owned(),
        ErrorKind::DnsResolve { .. } => "the name of the database cannot be resolved".to_owned(),
        ErrorKind::InvalidTlsConfig { .. } => {
            "the TLS settings in the address of the database cannot be used".to_owned()
        }
        ErrorKind::IncompatibleServer { .. } => {
            "the database is too old or too new for this Nexus: MongoDB 6.0 or newer is expected"
                .to_owned()
        }
        ErrorKind::Shutdown => "the store is closed".to_owned(),
        _ => "the database did not answer as expected".to_owned(),
    }
}

/// The server's number for its refusal.
pub(super) fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(refused) => Some(refused.code),
        ErrorKind::Write(WriteFailure::WriteError(refused)) => Some(refused.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(refused)) => Some(refused.code),
        ErrorKind::InsertMany(refused) => {
            let first = refused.write_errors.as_ref().and_then(|all| all.first());
            first.map(|error| error.code)
        }
        _ => None,
    }
}

/// Whether a document that must be unique is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

/// What was read before is not what is there now.
pub(super) fn conflict(what: impl Into<String>) -> StoreError {
    StoreError::Conflict { what: what.into() }
}
