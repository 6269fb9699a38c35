//! Failures, as the protocol words them
//! (<https://platform.openai.com/docs/guides/error-codes>).

use std::borrow::Cow;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use crate::ApiError;

/// Where the paths of the protocol begin.
pub(crate) const PREFIX: &str = "/v1/";

/// A failure in the protocol's form: `{"error": {…}}`.
#[derive(Debug, Serialize)]
pub(crate) struct Failure<'a> {
    message: Cow<'a, str>,
    r#type: &'static str,
    param: Option<&'a str>,
    code: &'a str,
}

impl<'a> Failure<'a> {
    pub(crate) fn new(
        status: StatusCode,
        code: &'a str,
        message: impl Into<Cow<'a, str>>,
        field: Option<&'a str>,
    ) -> Self {
        Self {
            message: message.into(),
            r#type: kind(status),
            param: field.map(|field| field.strip_prefix("config.").unwrap_or(field)),
            code: match code {
                "unauthenticated" => "invalid_api_key",
                "unknown_model" | "model_not_allowed" => "model_not_found",
                "rate_limited" => "rate_limit_exceeded",
                code => code,
            },
        }
    }
}

/// The status that clients of the protocol expect where Nexus has another one.
pub(crate) fn status(status: StatusCode, code: &str) -> StatusCode {
    match code {
        "unknown_model" | "model_not_allowed" => StatusCode::NOT_FOUND,
        _ if status == StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        _ => status,
    }
}

fn kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

/// Gives every failure under the protocol's paths the protocol's form, wherever it arose.
pub(crate) async fn speak_openai(request: Request, next: Next) -> Response {
    let is_ours = request.uri().path().starts_with(PREFIX);
    let mut response = next.run(request).await;
    if is_ours && let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let error = error.for_openai();
        response = error.render();
        response.extensions_mut().insert(error);
    }
    response
}
