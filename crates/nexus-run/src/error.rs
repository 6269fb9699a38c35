//! Why a run did not end with an answer, and what the person is told.

use nexus_core::LimitReached;
use nexus_core::event::{ErrorKind, RunEvent};
use nexus_core::policy::Refusal;
use nexus_llm::LlmError;
use nexus_store::StoreError;

use crate::client::ClientRefusal;
use crate::live::TemplateUnavailable;

/// A run, or a request beside it, that could not be done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// There is no template to work with.
    #[error(transparent)]
    Template(#[from] TemplateUnavailable),
    /// The request asks for a value that could never take effect.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A program asks for something that the template or the provider does not let pass.
    #[error(transparent)]
    Client(#[from] ClientRefusal),
    /// There was too much already.
    #[error(transparent)]
    Limited(#[from] LimitReached),
    /// The identity was erased, or never there.
    #[error("this key has no identity here")]
    NotAMember,
    /// Nobody has approved the registration yet.
    #[error("this key is registered and waits for an administrator of this server")]
    Pending,
    /// An administrator has locked this person out.
    #[error("an administrator of this server has disabled this identity")]
    Disabled,
    /// The identity is stored in a form that cannot be read.
    #[error(
        "your identity is stored here in a form that Nexus cannot read: the people who run this \
         server find it with `nexus doctor`"
    )]
    IdentityUnreadable,
    /// What was decided on changed too often meanwhile.
    #[error("this was changed by somebody else at the same time: try again")]
    Busy,
    /// The owner has no such run.
    #[error("there is no such run")]
    RunNotFound,
    /// The owner has no such run to cancel.
    #[error("you have no such run: GET /api/v1/runs lists those in progress")]
    NothingToCancel,
    /// Its question is being answered.
    #[error("this question is being answered at the moment: wait for the answer, or stop it first")]
    RunInProgress,
    /// Its question has a complete answer.
    #[error("this question has been answered: the answer is in the conversation")]
    AlreadyAnswered,
    /// The store could not.
    #[error(
        "the database is not available at the moment: try again, and look first whether a change was made all the same"
    )]
    Store(#[source] StoreError),
    /// The store did not take a question in time.
    #[error(
        "the database did not take your message in time, and no model was asked: look whether it is in the conversation before you send it again"
    )]
    QuestionNotStored(#[source] StoreError),
    /// The store did not take an answer in time.
    #[error(
        "the database did not take the answer in time: it may be missing from the conversation, so copy what you need"
    )]
    AnswerNotStored(#[source] StoreError),
    /// The provider could not.
    #[error(transparent)]
    Provider(#[from] LlmError),
    /// A defect in Nexus.
    #[error("something went wrong inside Nexus: the log says more")]
    Internal,
}

impl RunError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Template(_) => "template_unavailable",
            Self::Refused(refusal) => refusal.code(),
            Self::Client(refusal) => refusal.code(),
            Self::Limited(_) => "rate_limited",
            Self::NotAMember => "not_a_member",
            Self::Pending => "identity_pending",
            Self::Disabled => "identity_disabled",
            Self::IdentityUnreadable => "identity_unreadable",
            Self::Busy => "conflict",
            Self::RunNotFound | Self::NothingToCancel => "run_not_found",
            Self::RunInProgress => "run_in_progress",
            Self::AlreadyAnswered => "already_answered",
            Self::Store(StoreError::Corrupt { .. } | StoreError::TooNew { .. })
            | Self::Internal => "internal",
            Self::Store(_) | Self::QuestionNotStored(_) => "store_unavailable",
            Self::AnswerNotStored(_) => "answer_not_stored",
            Self::Provider(error) => error.code(),
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            // What the provider says is wrong with a request is wrong with the conversation, such as
            // that it is too long.
            Self::Refused(_)
            | Self::Client(_)
            | Self::Provider(
                LlmError::TooLong { .. }
                | LlmError::Rejected {
                    status: 400 | 413 | 422,
                    ..
                },
            ) => ErrorKind::Invalid,
            Self::NotAMember | Self::Pending | Self::Disabled | Self::IdentityUnreadable => {
                ErrorKind::Forbidden
            }
            Self::RunNotFound | Self::NothingToCancel => ErrorKind::NotFound,
            Self::Busy | Self::RunInProgress | Self::AlreadyAnswered => ErrorKind::Conflict,
            Self::Store(StoreError::Corrupt { .. } | StoreError::TooNew { .. })
            | Self::Internal => ErrorKind::Internal,
            Self::Template(_)
            | Self::Store(_)
            | Self::QuestionNotStored(_)
            | Self::AnswerNotStored(_)
            | Self::Provider(LlmError::Unavailable { .. } | LlmError::LocalFault { .. }) => {
                ErrorKind::Unavailable
            }
            Self::Limited(_) | Self::Provider(LlmError::RateLimited { .. }) => {
                ErrorKind::RateLimited
            }
            Self::Provider(LlmError::TimedOut { .. }) => ErrorKind::UpstreamTimeout,
            Self::Provider(_) => ErrorKind::Upstream,
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Template(_)
            | Self::Busy
            | Self::RunInProgress
            | Self::QuestionNotStored(_)
            | Self::AnswerNotStored(_)
            | Self::Limited(_) => true,
            Self::Store(error) => matches!(error, StoreError::Unavailable { .. }),
            Self::Provider(error) => error.is_retryable(),
            Self::Refused(_)
            | Self::Client(_)
            | Self::NotAMember
            | Self::Pending
            | Self::Disabled
            | Self::IdentityUnreadable
            | Self::RunNotFound
            | Self::NothingToCancel
            | Self::AlreadyAnswered
            | Self::Internal => false,
        }
    }

    /// Why a question could not be stored.
    pub(crate) fn of_question(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::QuestionNotStored(error),
            error => error.into(),
        }
    }

    /// Why an answer could not be stored.
    pub(crate) fn of_answer(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::AnswerNotStored(error),
            error => error.into(),
        }
    }

    /// The event that tells the client.
    #[must_use]
    pub fn to_event(&self) -> RunEvent {
        RunEvent::Error {
            code: self.code(),
            kind: self.kind(),
            field: match self {
                Self::Refused(refusal) => Some(refusal.field().to_string()),
                Self::Client(refusal) => Some(refusal.field().to_owned()),
                Self::Limited(reached) => Some(reached.limit.to_string()),
                _ => None,
            },
            message: self.message(),
            retryable: self.is_retryable(),
            retry_after: match self {
                Self::Limited(reached) => Some(reached.retry_after),
                Self::Provider(error) => error.retry_after().map(|wait| wait.as_secs().max(1)),
                _ => None,
            },
        }
    }

    /// What the person is told. That a key is refused is for the people who run the server.
    fn message(&self) -> String {
        match self {
            Self::Provider(LlmError::Unauthorized { provider, .. }) => format!(
                "provider {provider} is not set up correctly here: the people who run this server \
                 find the reason in its log"
            ),
            _ => self.to_string(),
        }
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Busy,
            error => Self::Store(error),
        }
    }
}
