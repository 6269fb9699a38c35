//! Words errors: names the provider, blots out its key, keeps messages short.

mod hint;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use crate::LlmError;
use crate::error::RetryHint;
use crate::openai::Reported;
use crate::protocol::Fault;

/// The longest message of a provider that is passed on, in characters.
const MESSAGE_LIMIT: usize = 500;
/// Statuses that say that the request itself is wrong: it is never sent again, whatever else the
/// provider says.
const FINAL: [u16; 4] = [400, 404, 413, 422];

/// Makes the errors of one provider.
#[derive(Clone, Debug)]
pub(crate) struct Failures {
    provider: Arc<str>,
    secret: Option<SecretString>,
}

impl Failures {
    pub(crate) const fn new(provider: Arc<str>, secret: Option<SecretString>) -> Self {
        Self { provider, secret }
    }

    pub(crate) fn missing_key(&self, variable: &str) -> LlmError {
        LlmError::MissingKey {
            provider: self.provider(),
            variable: variable.to_owned(),
        }
    }

    pub(crate) fn unreachable(&self, reason: &str) -> LlmError {
        LlmError::Unreachable {
            provider: self.provider(),
            reason: self.clean(reason),
        }
    }

    pub(crate) fn timed_out(&self, waited: Duration) -> LlmError {
        LlmError::TimedOut {
            provider: self.provider(),
            waited,
        }
    }

    pub(crate) fn failed(&self, status: StatusCode, message: &str) -> LlmError {
        let (status, message) = (status.as_u16(), self.clean(message));
        LlmError::Failed {
            provider: self.provider(),
            status,
            message,
            hint: RetryHint::default(),
        }
    }

    /// The connection broke. What it means depends on whether pieces had been handed out.
    pub(crate) fn broken(&self, reason: &str, any_piece: bool) -> LlmError {
        if any_piece {
            self.interrupted(reason)
        } else {
            self.unreachable(reason)
        }
    }

    /// What came cannot be accepted.
    pub(crate) fn malformed(&self, reason: &str, any_piece: bool) -> LlmError {
        if any_piece {
            return self.interrupted(reason);
        }
        LlmError::Malformed {
            provider: self.provider(),
            reason: self.clean(reason),
        }
    }

    pub(crate) fn interrupted(&self, reason: &str) -> LlmError {
        LlmError::Interrupted {
            provider: self.provider(),
            reason: self.clean(reason),
        }
    }

    /// The answer cannot be read further.
    pub(crate) fn fault(&self, fault: Fault, any_piece: bool) -> LlmError {
        match fault {
            Fault::Malformed(reason) => self.malformed(&reason, any_piece),
            Fault::Unfinished => self.interrupted("it ended in the middle"),
            Fault::Reported(reported) if any_piece => self.interrupted(&reported.message),
            Fault::Reported(reported) => self.reported(&reported),
        }
    }

    /// An error in place of the first piece.
    fn reported(&self, reported: &Reported) -> LlmError {
        let status = reported
            .code
            .and_then(|code| StatusCode::from_u16(code).ok())
            .filter(StatusCode::is_client_error);
        match status {
            Some(status) => self.status(status, &HeaderMap::new(), &reported.message),
            None => self.failed(StatusCode::OK, &reported.message),
        }
    }

    /// The provider answered with a status that is not a success.
    pub(crate) fn status(&self, status: StatusCode, headers: &HeaderMap, said: &str) -> LlmError {
        let provider = self.provider();
        let hint = hint::read(headers);
        match status.as_u16() {
            code @ (401 | 403) => LlmError::Unauthorized {
                provider,
                status: code,
            },
            429 => LlmError::RateLimited { provider, hint },
            code if status.is_redirection() => {
                let message = "it redirects, and Nexus follows no redirects: \
                               set base_url to the final address";
                LlmError::Rejected {
                    provider,
                    status: code,
                    message: message.to_owned(),
                }
            }
            code if is_refusal(status, hint) => LlmError::Rejected {
                provider,
                status: code,
                message: self.clean(said),
            },
            code => LlmError::Failed {
                provider,
                status: code,
                message: self.clean(said),
                hint,
            },
        }
    }

    fn provider(&self) -> String {
        self.provider.as_ref().to_owned()
    }

    /// Without the key and control characters, and not too long. The key goes first: a part of it
    /// must not survive at the cut.
    fn clean(&self, text: &str) -> String {
        let key = self
            .secret
            .as_ref()
            .map(ExposeSecret::expose_secret)
            .filter(|key| !key.is_empty());
        let text = key.map_or_else(|| text.to_owned(), |key| text.replace(key, "…"));
        let mut text = text.trim().replace(char::is_control, " ");
        if text.is_empty() {
            "it did not say why".clone_into(&mut text);
        }
        if let Some((cut, _)) = text.char_indices().nth(MESSAGE_LIMIT) {
            text.truncate(cut);
            text.push('…');
        }
        text
    }
}

/// Whether the request was refused, and not only at a bad moment: 408 and 425 (RFC 9110, RFC 8470)
/// ask for another try, and so may others by their headers.
fn is_refusal(status: StatusCode, hint: RetryHint) -> bool {
    let code = status.as_u16();
    let is_momentary = matches!(code, 408 | 425) || hint.again == Some(true);
    status.is_client_error() && (FINAL.contains(&code) || !is_momentary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(key: &str) -> Failures {
        Failures::new("acme".into(), Some(key.into()))
    }

    #[test]
    fn the_key_is_blotted_out_even_at_the_cut() {
        let key = "sk-0123456789";
        for padding in [0, 1, MESSAGE_LIMIT - 5, MESSAGE_LIMIT - 1] {
            let text = format!("{}{key} is wrong", "x".repeat(padding));
            let cleaned = failures(key).clean(&text);
            assert!(!cleaned.contains("sk-"), "{cleaned}");
            assert!(cleaned.contains('…'), "{cleaned}");
        }
    }

    #[test]
    fn an_empty_key_blots_out_nothing() {
        assert_eq!(failures("").clean("no\ncredits"), "no credits");
    }

    #[test]
    fn a_status_says_whose_fault_it_is() {
        let error = |code| {
            let status = StatusCode::from_u16(code).expect("a status");
            failures("key").status(status, &HeaderMap::new(), "")
        };
        for code in [400, 402, 404, 409, 413, 422, 301] {
            assert!(matches!(error(code), LlmError::Rejected { .. }), "{code}");
        }
        for code in [408, 425, 500, 502, 503, 504, 529] {
            assert!(matches!(error(code), LlmError::Failed { .. }), "{code}");
        }
    }

    #[test]
    fn a_provider_may_ask_for_another_try_but_not_of_a_wrong_request() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-should-retry"),
            http::HeaderValue::from_static("true"),
        )]);
        let error = |code| failures("key").status(code, &headers, "");
        assert!(matches!(
            error(StatusCode::CONFLICT),
            LlmError::Failed { .. }
        ));
        assert!(matches!(
            error(StatusCode::BAD_REQUEST),
            LlmError::Rejected { .. }
        ));
    }
}
