//! What failed below → what a client is told.

use http::StatusCode;
use nexus_core::command::CommandError;
use nexus_core::event::{ErrorKind, RunEvent};
use nexus_run::context::QuestionError;
use nexus_run::live::TemplateUnavailable;
use nexus_run::{CommandFailure, ProofError, RunError, SignInError};
use nexus_store::StoreError;
use serde_json::json;

use super::ApiError;

impl From<RunEvent> for ApiError {
    /// Takes the `error` event of a run that failed before it began.
    fn from(event: RunEvent) -> Self {
        let RunEvent::Error {
            code,
            kind,
            field,
            message,
            retryable,
            retry_after,
        } = event
        else {
            return Self::unexplained();
        };
        let Some(status) = status(kind) else {
            return Self::unexplained();
        };
        let mut error = Self::new(status, code, message);
        error.detail().field = field;
        error.detail().retryable = retryable;
        error.0.retry_after = retry_after.or(error.0.retry_after);
        error
    }
}

/// The status of a failure whose words the client has heard already.
pub(crate) fn status_of(kind: ErrorKind) -> StatusCode {
    status(kind).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// `None`: a defect in Nexus, of which the client learns nothing.
const fn status(kind: ErrorKind) -> Option<StatusCode> {
    Some(match kind {
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Upstream => StatusCode::BAD_GATEWAY,
        ErrorKind::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Internal => return None,
    })
}

impl From<QuestionError> for ApiError {
    /// The field depends on who asks.
    fn from(error: QuestionError) -> Self {
        Self::unprocessable(error.code(), error.to_string())
    }
}

impl From<CommandFailure> for ApiError {
    fn from(failure: CommandFailure) -> Self {
        let code = failure.code();
        let message = failure.to_string();
        match failure {
            CommandFailure::Run(error) => error.into(),
            CommandFailure::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, code, message),
            // The request is understood and the person is known: what is missing is a proof.
            CommandFailure::SignatureRequired { .. } => {
                Self::new(StatusCode::UNAUTHORIZED, code, message)
            }
            CommandFailure::Refused(refusal) => {
                Self::unprocessable(code, message).field(refusal.field().to_string())
            }
            CommandFailure::UnknownField { .. } => {
                Self::unprocessable(code, message).field("field")
            }
            CommandFailure::TooMany { .. } => Self::unprocessable(code, message),
            CommandFailure::NotAMember => Self::not_a_member(),
            CommandFailure::Pending => Self::pending(),
            CommandFailure::Disabled => Self::disabled(),
            CommandFailure::RegistrationClosed { .. } => {
                Self::new(StatusCode::FORBIDDEN, code, message)
            }
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        let answer = Self::unprocessable(error.code(), error.to_string());
        match error.argument() {
            Some(argument) => answer.field(format!("arguments.{argument}")),
            None => answer.field("command"),
        }
    }
}

impl From<SignInError> for ApiError {
    /// Which check failed is for the log: a client is told the same whichever it was.
    fn from(error: SignInError) -> Self {
        let message = error.to_string();
        match error {
            SignInError::NoOrigin => Self::new(
                StatusCode::MISDIRECTED_REQUEST,
                "sign_in_unavailable",
                message,
            ),
            SignInError::Refused(refusal) => {
                tracing::info!(reason = refusal.code(), "a sign-in was refused");
                Self::new(StatusCode::UNAUTHORIZED, "sign_in_refused", message)
            }
            SignInError::Replayed => {
                tracing::info!(reason = "replayed", "a sign-in was refused");
                Self::new(StatusCode::UNAUTHORIZED, "sign_in_refused", message)
            }
            SignInError::Run(error) => error.into(),
        }
    }
}

impl From<ProofError> for ApiError {
    fn from(error: ProofError) -> Self {
        let message = error.to_string();
        let refuse = |code| {
            let details = json!({ "reason": code });
            Self::new(StatusCode::UNAUTHORIZED, "signature_refused", message).details(details)
        };
        match error {
            ProofError::Refused(refusal) => refuse(refusal.code()),
            ProofError::Replayed => refuse("replayed"),
            ProofError::Run(error) => error.into(),
        }
    }
}

impl From<RunError> for ApiError {
    fn from(error: RunError) -> Self {
        Self::from(error.to_event()).because(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        RunError::from(error).into()
    }
}

impl From<TemplateUnavailable> for ApiError {
    fn from(error: TemplateUnavailable) -> Self {
        RunError::from(error).into()
    }
}
