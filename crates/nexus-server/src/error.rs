//! What a client is told when something fails: one shape for every route.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use nexus_core::ApiScope;
use nexus_core::command::CommandError;
use nexus_core::event::{ErrorKind, RunEvent};
use nexus_run::live::TemplateUnavailable;
use nexus_run::orchestrator::{DISABLED, GUIDANCE, PENDING};
use nexus_run::{CommandFailure, ProofError, RunError, SignInError};
use nexus_store::StoreError;
use serde::Serialize;
use serde_json::{Value, json};

/// A request that failed, as the client sees it: `{"error": {…}}` and a status.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Clone, Debug, Serialize)]
struct Inner {
    #[serde(skip)]
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retryable: bool,
    /// In seconds. Goes into the `Retry-After` header.
    #[serde(skip)]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
    /// For the log only.
    #[serde(skip)]
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error with a stable code and words for people.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            message: message.into(),
            field: None,
            retryable: false,
            retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
            details: None,
            cause: None,
        }))
    }

    /// The request cannot be accepted as it is.
    #[must_use]
    pub fn unprocessable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// A defect in Nexus. The client learns nothing but the id of its request.
    #[must_use]
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::unexplained().because(cause)
    }

    /// No token, or none that is valid. Why is not said: it would only help to guess.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "a valid session or API key is needed: sign in, or send `Authorization: Bearer …`. An address is a \
             name and never a credential",
        )
    }

    /// An API key asks for what it does not reach. `None`: what no API key reaches.
    #[must_use]
    pub fn insufficient_scope(scope: Option<ApiScope>) -> Self {
        let message = match scope {
            Some(scope) => format!("this API key has no scope {}", scope.as_str()),
            None => "an API key cannot do this: sign in with your key".to_owned(),
        };
        Self::new(StatusCode::FORBIDDEN, "insufficient_scope", message)
    }

    /// A visitor asks for what only members have.
    #[must_use]
    pub fn not_a_member() -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_a_member", GUIDANCE)
    }

    /// Somebody who is not let in yet asks for what only members have.
    #[must_use]
    pub fn pending() -> Self {
        Self::new(StatusCode::FORBIDDEN, "identity_pending", PENDING)
    }

    /// Somebody who was locked out asks for what only members have.
    #[must_use]
    pub fn disabled() -> Self {
        Self::new(StatusCode::FORBIDDEN, "identity_disabled", DISABLED)
    }

    /// Somebody who is no administrator asks for what belongs to the installation.
    #[must_use]
    pub fn not_an_admin() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not_an_admin",
            "this is for administrators: whoever runs this server names them with `admins` in its \
             settings, or prints a token with `nexus identity token KEY --admin`",
        )
    }

    /// Nothing is at this path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing here: GET /api/v1 lists what there is",
        )
    }

    /// Something is at this path, but not for this method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path is for another method: the Allow header names it",
        )
    }

    /// The same error, about one field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// The same error, with facts for programs.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// The same error, with what the log should say.
    fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }

    /// A defect in Nexus about which the run has already told the log.
    pub(crate) fn unexplained() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong inside Nexus: its log says more, under the id of this request",
        )
    }

    /// Writes the cause to the log, and gives a defect the id under which it stands there.
    pub(crate) fn report(mut self, request_id: &str) -> Self {
        let Inner {
            status,
            code,
            cause,
            ..
        } = &*self.0;
        let cause = cause.as_deref().map(|cause| chain(cause));
        if *status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request_id, code, cause, "request failed");
            self.0.details = Some(json!({ "request_id": request_id }));
        } else {
            tracing::warn!(request_id, code, cause, "request failed");
        }
        self
    }

    /// The answer, without a word to the log.
    pub(crate) fn render(&self) -> Response {
        let body = Json(json!({ "error": *self.0 }));
        let mut response = (self.0.status, body).into_response();
        let headers = response.headers_mut();
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for ApiError {
    /// A failure of the server travels with the answer, so that it is logged once, with the id of
    /// its request.
    fn into_response(self) -> Response {
        let mut response = self.render();
        if self.0.status.is_server_error() {
            response.extensions_mut().insert(self);
        }
        response
    }
}

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
        error.0.field = field;
        error.0.retryable = retryable;
        error.0.retry_after = retry_after.or(error.0.retry_after);
        error
    }
}

/// `None`: a defect in Nexus, of which the client learns nothing.
const fn status(kind: ErrorKind) -> Option<StatusCode> {
    Some(match kind {
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Upstream => StatusCode::BAD_GATEWAY,
        ErrorKind::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Internal => return None,
    })
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

/// An error with everything that led to it.
fn chain(error: &dyn Error) -> String {
    let errors = std::iter::successors(Some(error), |&error| error.source());
    errors
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
