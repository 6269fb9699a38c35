//! What a client is told when something fails: one shape for every route.

mod from;

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use nexus_api::error::{ErrorBody, ErrorDetail};
use nexus_core::ApiScope;
use nexus_run::orchestrator::{DISABLED, GUIDANCE, PENDING};
use serde_json::{Value, json};

pub(crate) use from::status_of;

use crate::body::shortened;
use crate::openai;
use crate::openai::error::Failure;

/// A request that failed, as the client sees it: `{"error": {…}}` and a status.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    body: ErrorBody,
    /// In seconds. Goes into the `Retry-After` header.
    retry_after: Option<u64>,
    /// Whether the client speaks OpenAI's protocol.
    is_for_openai: bool,
    /// For the log only.
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
            body: ErrorBody {
                error: ErrorDetail {
                    code: code.into(),
                    message: message.into(),
                    field: None,
                    retryable: false,
                    details: None,
                },
            },
            retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
            is_for_openai: false,
            cause: None,
        }))
    }

    /// The request cannot be accepted as it is.
    #[must_use]
    pub fn unprocessable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// The status of the answer.
    pub(crate) const fn status(&self) -> StatusCode {
        self.0.status
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

    /// The session of a browser's cookie is shown as a bearer token. Cookies reach every port of a
    /// host; what another program there caught is good for nothing.
    pub(crate) fn cookie_in_a_header() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "this is the session of a browser's cookie, which is not accepted in `Authorization`: sign in \
             without `cookie`, or make an API key",
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

    /// No model goes by this name, or not for this person.
    pub(crate) fn no_such_model(name: &str) -> Self {
        let name = shortened(name);
        let message =
            format!("there is no model {name}: GET /v1/models lists those that you may ask");
        Self::new(StatusCode::NOT_FOUND, "model_not_found", message).field("model")
    }

    /// The server has as much to do as it can hold.
    pub(crate) fn overloaded(message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message);
        error.detail().retryable = true;
        error
    }

    /// The answer was stopped before its end.
    pub(crate) fn interrupted() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "interrupted",
            "the answer was stopped before its end",
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
        self.detail().field = Some(field.into());
        self
    }

    /// The same error, for a client that may try again after so many seconds.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.detail().retryable = true;
        self.0.retry_after = Some(seconds);
        self
    }

    /// The same error, with facts for programs.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.detail().details = Some(details);
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
            body,
            cause,
            ..
        } = &*self.0;
        let code = &*body.error.code;
        let cause = cause.as_deref().map(|cause| chain(cause));
        if *status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request_id, code, cause, "request failed");
            self.detail().details = Some(json!({ "request_id": request_id }));
        } else {
            tracing::warn!(request_id, code, cause, "request failed");
        }
        self
    }

    /// The same failure, in the form of OpenAI's protocol.
    pub(crate) fn for_openai(mut self) -> Self {
        self.0.status = openai::error::status(self.0.status, &self.0.body.error.code);
        self.0.is_for_openai = true;
        self
    }

    fn detail(&mut self) -> &mut ErrorDetail {
        &mut self.0.body.error
    }

    /// The answer, without a word to the log.
    pub(crate) fn render(&self) -> Response {
        let status = self.0.status;
        let mut response = if self.0.is_for_openai {
            let error = &self.0.body.error;
            let failure =
                Failure::new(status, &error.code, &*error.message, error.field.as_deref());
            (status, Json(json!({ "error": failure }))).into_response()
        } else {
            (status, Json(&self.0.body)).into_response()
        };
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
    /// It travels with the answer: a failure of the server is logged once, with the id of its
    /// request, and some clients want another form.
    fn into_response(self) -> Response {
        let mut response = self.render();
        response.extensions_mut().insert(self);
        response
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
