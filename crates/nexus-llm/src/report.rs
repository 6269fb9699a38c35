//! What a provider says went wrong, found in the many shapes in which providers say it.

use std::time::Duration;

use serde_json::Value;

/// An error in a provider's own words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reported {
    /// The HTTP status that it names, when it names one.
    pub(crate) code: Option<u16>,
    /// What it says; may be empty.
    pub(crate) message: String,
    /// Its words for the kind of error, such as `context_length_exceeded`; may be empty.
    pub(crate) kind: String,
    /// When it says to come back, for those who say so here and in no header.
    pub(crate) retry_after: Option<Duration>,
}

/// The words for a status, where a provider says no number.
const WORDS: &[(&str, u16)] = &[
    // https://platform.claude.com/docs/en/api/errors; OpenAI shares some of the words.
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
    // https://cloud.google.com/apis/design/errors#handling_errors
    ("INVALID_ARGUMENT", 400),
    ("FAILED_PRECONDITION", 400),
    ("UNAUTHENTICATED", 401),
    ("PERMISSION_DENIED", 403),
    ("NOT_FOUND", 404),
    ("RESOURCE_EXHAUSTED", 429),
    ("INTERNAL", 500),
    ("UNAVAILABLE", 503),
    ("DEADLINE_EXCEEDED", 504),
];

impl Reported {
    /// Reads the value of an `error` key. `None` when it reports nothing.
    pub(crate) fn read(error: &Value) -> Option<Self> {
        match error {
            Value::String(message) if !message.is_empty() => Some(Self::saying(message.clone())),
            Value::Object(object) if !object.is_empty() => {
                let mut code = ["code", "status", "type"]
                    .into_iter()
                    .filter_map(|key| object.get(key));
                let details = object.get("details").and_then(Value::as_array);
                let mut details = details.into_iter().flatten();
                let text = |value: Option<&Value>| {
                    value
                        .and_then(Value::as_str)
                        .filter(|text| !text.is_empty())
                        .map(str::to_owned)
                };
                let message = text(object.get("message"))
                    .or_else(|| text(object.get("type")))
                    .or_else(|| text(object.get("code")))
                    .unwrap_or_default();
                // OpenRouter's own message says only that the provider behind it failed.
                let raw = text(error.pointer("/metadata/raw"));
                let message = match raw {
                    Some(raw) => format!("{message}: {raw}"),
                    None => message,
                };
                let kinds = ["code", "type"].map(|key| text(object.get(key)));
                let kind = kinds.into_iter().flatten().collect::<Vec<_>>().join(" ");
                // Gemini answers 400 to a key that it does not know.
                let refuses_key = |detail: &Value| detail["reason"] == "API_KEY_INVALID";
                let refuses_key = details.clone().any(refuses_key);
                Some(Self {
                    code: refuses_key
                        .then_some(401)
                        .or_else(|| code.find_map(as_status)),
                    message,
                    kind,
                    retry_after: details.find_map(retry_delay),
                })
            }
            Value::Number(_) | Value::Bool(true) | Value::Array(_) => Some(Self {
                code: as_status(error),
                ..Self::default()
            }),
            _ => None,
        }
    }

    /// An error without a status.
    pub(crate) fn saying(message: String) -> Self {
        Self {
            message,
            ..Self::default()
        }
    }

    /// The same, named by a status.
    pub(crate) fn with_code(self, code: u16) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }
}

fn as_status(value: &Value) -> Option<u16> {
    let Some(text) = value.as_str() else {
        return u16::try_from(value.as_u64()?).ok();
    };
    let word = WORDS.iter().find(|(word, _)| *word == text);
    text.parse().ok().or(word.map(|(_, status)| *status))
}

/// Gemini says in the body when to come back: `{"@type": "….RetryInfo", "retryDelay": "34s"}`.
fn retry_delay(detail: &Value) -> Option<Duration> {
    let seconds = detail.get("retryDelay")?.as_str()?.strip_suffix('s')?;
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}

/// What the body of an answer with an error status says.
pub(crate) fn reported_in_body(body: &str) -> Reported {
    let body = body.trim();
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        let is_page = body.starts_with('<');
        let message = if is_page { "it sent a web page" } else { body };
        return Reported::saying(message.to_owned());
    };
    // Gemini wraps its errors in a list.
    let value = value.get(0).unwrap_or(&value);
    let plain = || {
        let keys = ["message", "detail", "error_description"];
        keys.iter()
            .find_map(|key| value.get(key)?.as_str())
            .map(str::to_owned)
    };
    let mut reported = value
        .get("error")
        .and_then(Reported::read)
        .unwrap_or_default();
    if reported.message.is_empty() {
        reported.message = plain().unwrap_or_else(|| value.to_string());
    }
    reported
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_found_in_every_shape() {
        for (body, message) in [
            (
                r#"{"error":{"message":"no credits","code":402}}"#,
                "no credits",
            ),
            (r#"{"error":"model not loaded"}"#, "model not loaded"),
            (
                r#"[{"error":{"code":400,"message":"API key not valid"}}]"#,
                "API key not valid",
            ),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (
                r#"{"error":{"type":"overloaded_error"}}"#,
                "overloaded_error",
            ),
            ("  upstream connect error\n", "upstream connect error"),
            ("<html><body>502</body></html>", "it sent a web page"),
            (r#"{"odd":1}"#, r#"{"odd":1}"#),
            ("", ""),
        ] {
            assert_eq!(reported_in_body(body).message, message);
        }
    }

    #[test]
    fn a_code_may_be_a_number_or_a_word() {
        let code = |error| Reported::read(&error).map(|reported| reported.code);
        assert_eq!(code(json!({"code": 429})), Some(Some(429)));
        assert_eq!(code(json!({"code": "429"})), Some(Some(429)));
        assert_eq!(code(json!({"code": "rate_limit_exceeded"})), Some(None));
        assert_eq!(code(json!({"type": "overloaded_error"})), Some(Some(529)));
        assert_eq!(
            code(json!({"status": "RESOURCE_EXHAUSTED"})),
            Some(Some(429))
        );
        assert_eq!(
            code(json!({"code": "busy", "status": 503})),
            Some(Some(503))
        );
    }

    #[test]
    fn an_empty_error_is_no_error() {
        for error in [json!(null), json!(""), json!(false), json!({})] {
            assert_eq!(Reported::read(&error), None);
        }
    }

    #[test]
    fn what_stands_behind_openrouters_message_is_kept() {
        let error =
            json!({"message": "Provider returned error", "metadata": {"raw": "overloaded"}});
        let message = Reported::read(&error).map(|reported| reported.message);
        assert_eq!(
            message.as_deref(),
            Some("Provider returned error: overloaded")
        );
    }

    #[test]
    fn gemini_names_a_bad_key_and_a_wait_in_its_details() {
        let bad_key = r#"{"error": {"code": 400, "message": "API key not valid.",
            "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}"#;
        assert_eq!(reported_in_body(bad_key).code, Some(401));
        let busy = r#"[{"error": {"code": 429, "message": "Quota exceeded.",
            "details": [{"links": []}, {"retryDelay": "34.5s"}]}}]"#;
        let busy = reported_in_body(busy);
        assert_eq!(busy.retry_after, Some(Duration::from_millis(34_500)));
        for odd in ["-1s", "soon", "1e99s", ""] {
            assert_eq!(retry_delay(&json!({"retryDelay": odd})), None, "{odd}");
        }
    }
}
