//! Why a command was not executed.

use nexus_core::CommandName;
use nexus_core::event::ErrorKind;
use nexus_core::overrides::Section;
use nexus_core::policy::Refusal;
use nexus_store::StoreError;

use crate::error::RunError;
use crate::live::TemplateUnavailable;

/// Why a command was not executed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommandFailure {
    /// It must be signed anew each time.
    #[error(
        "{command} needs a fresh signature with your key: sign this request, and send it again"
    )]
    SignatureRequired {
        /// The command.
        command: CommandName,
    },
    /// The key is not registered.
    #[error("this key has no identity here: the command `identity` registers it")]
    NotAMember,
    /// Nobody has approved the registration yet.
    #[error("this key is registered and waits for an administrator of this server")]
    Pending,
    /// An administrator has locked this person out.
    #[error("an administrator of this server has disabled this identity")]
    Disabled,
    /// People do not register by themselves here.
    #[error(
        "this server registers nobody by itself: ask the person who runs it to run `nexus identity new {key}`"
    )]
    RegistrationClosed {
        /// The key, for the person who runs the server.
        key: String,
    },
    /// What it is about is not there, or is somebody else's.
    #[error("there is no {what} like this: {where_to_look} shows what there is")]
    NotFound {
        /// Such as `API key`.
        what: &'static str,
        /// The command that lists them.
        where_to_look: CommandName,
    },
    /// No field has this name, and no stored key of the person.
    #[error("you have stored no {found:?}, and Nexus knows no such field: {expected}")]
    UnknownField {
        /// What was given.
        found: String,
        /// What it could have been.
        expected: &'static str,
    },
    /// There are as many already as one person may have.
    #[error("you have {limit} {what} already, which is the most: revoke one first")]
    TooMany {
        /// Such as `API keys`.
        what: &'static str,
        /// The most.
        limit: usize,
    },
    /// Policy refuses the value.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something below failed.
    #[error(transparent)]
    Run(RunError),
}

impl CommandFailure {
    pub(super) fn unknown_key(section: Section, name: &str) -> Self {
        Self::UnknownField {
            found: name.chars().take(80).collect(),
            expected: match section {
                Section::Config => {
                    "expected model, temperature, max_tokens, history_context_size or tools"
                }
                Section::Prompts => {
                    "expected the name of a prompt: lower-case letters, digits, _ and -"
                }
            },
        }
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SignatureRequired { .. } => "signature_required",
            Self::NotAMember => "not_a_member",
            Self::Pending => "identity_pending",
            Self::Disabled => "identity_disabled",
            Self::RegistrationClosed { .. } => "registration_closed",
            Self::NotFound { .. } => "not_found",
            Self::UnknownField { .. } => "unknown_field",
            Self::TooMany { .. } => "too_many",
            Self::Refused(refusal) => refusal.code(),
            Self::Run(error) => error.code(),
        }
    }

    /// Whose fault it is. `None`: what it is about is not there.
    #[must_use]
    pub const fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::NotFound { .. } => None,
            Self::SignatureRequired { .. }
            | Self::NotAMember
            | Self::Pending
            | Self::Disabled
            | Self::RegistrationClosed { .. } => Some(ErrorKind::Forbidden),
            Self::UnknownField { .. } | Self::TooMany { .. } | Self::Refused(_) => {
                Some(ErrorKind::Invalid)
            }
            Self::Run(error) => Some(error.kind()),
        }
    }
}

impl From<RunError> for CommandFailure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NotAMember => Self::NotAMember,
            RunError::Pending => Self::Pending,
            RunError::Disabled => Self::Disabled,
            RunError::Refused(refusal) => Self::Refused(refusal),
            other => Self::Run(other),
        }
    }
}

impl From<StoreError> for CommandFailure {
    fn from(error: StoreError) -> Self {
        RunError::from(error).into()
    }
}

impl From<TemplateUnavailable> for CommandFailure {
    fn from(error: TemplateUnavailable) -> Self {
        RunError::from(error).into()
    }
}
