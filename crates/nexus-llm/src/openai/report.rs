//! What a provider says went wrong, found in the many shapes in which providers say it.

use serde_json::Value;

/// An error in a provider's own words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reported {
    /// The status that it names, when it names one.
    pub(crate) code: Option<u16>,
    /// What it says; may be empty.
    pub(crate) message: String,
}

impl Reported {
    /// Reads the value of an `error` key. `None` when it reports nothing.
    pub(super) fn read(error: &Value) -> Option<Self> {
        match error {
            Value::String(message) if !message.is_empty() => Some(Self {
                code: None,
                message: message.clone(),
            }),
            Value::Object(object) if !object.is_empty() => {
                let mut code = [object.get("code"), object.get("status")]
                    .into_iter()
                    .flatten();
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
                Some(Self {
                    code: code.find_map(as_status),
                    message,
                })
            }
            Value::Number(_) | Value::Bool(true) | Value::Array(_) => Some(Self {
                code: as_status(error),
                message: String::new(),
            }),
            _ => None,
        }
    }
}

fn as_status(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok()
}

/// What the body of an answer with an error status says.
pub(crate) fn reported_in_body(body: &str) -> String {
    let body = body.trim();
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        let is_page = body.starts_with('<');
        return if is_page {
            "it sent a web page".to_owned()
        } else {
            body.to_owned()
        };
    };
    // Gemini wraps its errors in a list.
    let value = value.get(0).unwrap_or(&value);
    let plain = || {
        let keys = ["message", "detail", "error_description"];
        keys.iter()
            .find_map(|key| value.get(key)?.as_str())
            .map(str::to_owned)
    };
    value
        .get("error")
        .and_then(Reported::read)
        .map(|reported| reported.message)
        .filter(|message| !message.is_empty())
        .or_else(plain)
        .unwrap_or_else(|| value.to_string())
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
            assert_eq!(reported_in_body(body), message);
        }
    }

    #[test]
    fn a_code_may_be_a_number_or_a_word() {
        let code = |error| Reported::read(&error).map(|reported| reported.code);
        assert_eq!(code(json!({"code": 429})), Some(Some(429)));
        assert_eq!(code(json!({"code": "429"})), Some(Some(429)));
        assert_eq!(code(json!({"code": "rate_limit_exceeded"})), Some(None));
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
}
