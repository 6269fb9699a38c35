//! A command that could not be done, and what to do about it.

use nexus_run::{CommandFailure, ProposalError, RunError};
use nexus_store::StoreError;

use crate::output::printable;

/// Printed as `error: …` and, where there is something to do, `hint: …`.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: printable(&message.into()).into_owned(),
            hint: None,
        }
    }

    /// The same failure, with what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ProposalError> for Failure {
    fn from(error: ProposalError) -> Self {
        match error {
            ProposalError::Store(error) => error.into(),
            ProposalError::Conflict => {
                Self::new("somebody else stored a template at the same time")
                    .hint("run the command again")
            }
            ProposalError::Problems(_) => Self::new(error.to_string()),
        }
    }
}

impl From<CommandFailure> for Failure {
    fn from(error: CommandFailure) -> Self {
        match error {
            CommandFailure::NotAMember => RunError::NotAMember.into(),
            CommandFailure::Run(error) => error.into(),
            error => Self::new(error.to_string()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            // The person at this terminal runs the server: they are told what clients are not.
            RunError::Store(error) => error.into(),
            RunError::NotAMember => {
                Self::new(error.to_string()).hint("register it with `nexus identity new KEY`")
            }
            RunError::IdentityUnreadable => {
                Self::new("this identity is stored in a form that Nexus cannot read").hint(
                    "`nexus identity quarantine list` tells what is wrong with it: correct it in \
                     the database, or delete it",
                )
            }
            error => Self::new(error.to_string()),
        }
    }
}
