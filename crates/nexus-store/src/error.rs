//! What a store can say instead of an answer.

/// A store could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer at the moment, or the disk refuses. Nothing was acknowledged.
    #[error("the store is not available: {reason}")]
    Unavailable {
        /// Why, for the log and the operator; never shown to clients.
        reason: String,
    },
    /// What the caller had read is not what is there now. Read again and decide again.
    #[error("{what} was changed meanwhile: read it again")]
    Conflict {
        /// What was changed.
        what: String,
    },
    /// There are as many as there may be. Nothing was stored.
    #[error("there are {limit} {what} already, which is the most")]
    Full {
        /// Such as `API keys`.
        what: &'static str,
        /// The most.
        limit: u32,
    },
    /// A stored document cannot be understood. It is left as it is.
    #[error("{what} is stored in a form that Nexus cannot read: {reason}")]
    Corrupt {
        /// Which document.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store was written by a newer Nexus.
    #[error(
        "the data was written by a newer Nexus (schema {found}, this one knows {known}): use that version or newer"
    )]
    TooNew {
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
}
