//! Words errors: names the provider, blots out its key, keeps messages short.

mod hint;
mod length;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use nexus_core::egress::PinnedKey;

use crate::error::RetryHint;
use crate::protocol::Fault;
use crate::report::Reported;
use crate::{Finish, FinishReason, LlmError};

/// The longest message of a provider that is passed on, in characters.
const MESSAGE_LIMIT: usize = 500;
/// Statuses that say that the request itself is wrong: it is never sent again, whatever else the
/// provider says.
const FINAL: [u16; 4] = [400, 404, 413, 422];

/// Makes the errors of one provider.
#[derive(Clone, Debug)]
pub(crate) struct Failures {
    provider: Arc<str>,
    key: Option<PinnedKey>,
}

impl Failures {
    pub(crate) const fn new(provider: Arc<str>, key: Option<PinnedKey>) -> Self {
        Self { provider, key }
    }

    pub(crate) fn missing_key(&self, variable: &str) -> LlmError {
        LlmError::MissingKey {
            provider: self.provider(),
            variable: variable.to_owned(),
        }
    }

    /// Its address is one that Nexus does not connect to. `reason` is for whoever runs the server.
    pub(crate) fn address_refused(&self, reason: String) -> LlmError {
        tracing::warn!(provider = %self.provider, reason, "a provider was not asked");
        LlmError::AddressRefused {
            provider: self.provider(),
            reason,
        }
    }

    pub(crate) fn unreachable(&self, reason: &str) -> LlmError {
        LlmError::Unreachable {
            provider: self.provider(),
            reason: self.clean(reason),
        }
    }

    /// This machine cannot connect to anything.
    pub(crate) fn local_fault(&self, reason: &str) -> LlmError {
        tracing::error!(provider = %self.provider, reason, "a provider was not asked");
        LlmError::LocalFault {
            provider: self.provider(),
            reason: reason.to_owned(),
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
        match reported.code {
            // A refusal with 403 is mostly about what was asked, once an answer has begun.
            Some(403) => self.rejected(403, &reported.message),
            Some(400..=499) => self.status(StatusCode::OK, &HeaderMap::new(), reported),
            _ if length::is_too_long(200, reported) => self.too_long(200, reported),
            _ => self.failed(StatusCode::OK, &reported.message),
        }
    }

    /// The provider answered with a status that is not a success, or said so inside an answer.
    pub(crate) fn status(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        said: &Reported,
    ) -> LlmError {
        let provider = self.provider();
        let mut hint = hint::read(headers);
        hint.after = hint.after.or(said.retry_after);
        // What it says is more precise where the two are at odds about the key.
        let code = match said.code {
            Some(code @ 401) if status.is_client_error() => code,
            Some(code) if status.is_success() => code,
            _ => status.as_u16(),
        };
        match code {
            code @ (401 | 403) => LlmError::Unauthorized {
                provider,
                status: code,
            },
            code if length::is_too_long(code, said) => self.too_long(code, said),
            429 => LlmError::RateLimited { provider, hint },
            300..=399 => {
                let message = "it redirects, and Nexus follows no redirects: \
                               set base_url to the final address";
                self.rejected(code, message)
            }
            code if is_refusal(code, hint) => self.rejected(code, &said.message),
            code => LlmError::Failed {
                provider,
                status: code,
                message: self.clean(&said.message),
                hint,
            },
        }
    }

    fn rejected(&self, status: u16, message: &str) -> LlmError {
        LlmError::Rejected {
            provider: self.provider(),
            status,
            message: self.clean(message),
        }
    }

    fn too_long(&self, status: u16, said: &Reported) -> LlmError {
        LlmError::TooLong {
            provider: self.provider(),
            status,
            message: self.clean(&said.message),
            limit: length::limit(&said.message),
        }
    }

    fn provider(&self) -> String {
        self.provider.as_ref().to_owned()
    }

    /// The key that must be in no word of the provider.
    pub(crate) const fn key(&self) -> Option<&PinnedKey> {
        self.key.as_ref()
    }

    /// Without the key.
    pub(crate) fn redact(&self, text: &str) -> String {
        match &self.key {
            Some(key) => key.redact(text),
            None => text.to_owned(),
        }
    }

    /// The end of a turn, without the key in the provider's own words.
    pub(crate) fn redact_finish(&self, finish: Finish) -> Finish {
        let reason = match finish.reason {
            FinishReason::Other(word) => FinishReason::Other(self.word(&word)),
            reason => reason,
        };
        let model_id = finish.model_id.map(|id| self.word(&id).into());
        Finish {
            reason,
            model_id,
            ..finish
        }
    }

    /// A word of the provider for something, cleaned and without the key.
    fn word(&self, word: &str) -> String {
        let mut word = word.to_owned();
        nexus_core::text::clean(&mut word);
        self.redact(&word)
    }

    /// Cleaned, on one line, without the key, and not too long. The key goes first: a part of it
    /// must not survive at the cut.
    fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        nexus_core::text::clean(&mut text);
        let text = self.redact(&text);
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
fn is_refusal(code: u16, hint: RetryHint) -> bool {
    let is_momentary = matches!(code, 408 | 425) || hint.again == Some(true);
    (400..=499).contains(&code) && (FINAL.contains(&code) || !is_momentary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(key: &'static str) -> Failures {
        let base_url = url::Url::parse("https://acme.test").unwrap();
        let secrets = nexus_core::egress::Secrets::new(|_| Some(key.to_owned()))
            .pin("ACME_KEY", ["acme.test".parse().unwrap()]);
        Failures::new("acme".into(), secrets.key("ACME_KEY", &base_url).unwrap())
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
    fn without_a_key_nothing_is_blotted_out() {
        assert_eq!(failures("").clean("no\ncredits"), "no credits");
    }

    #[test]
    fn a_status_says_whose_fault_it_is() {
        let error = |code| {
            let status = StatusCode::from_u16(code).expect("a status");
            failures("key").status(status, &HeaderMap::new(), &Reported::default())
        };
        for code in [400, 402, 404, 409, 422, 301] {
            assert!(matches!(error(code), LlmError::Rejected { .. }), "{code}");
        }
        assert!(matches!(error(413), LlmError::TooLong { .. }));
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
        let error = |code| failures("key").status(code, &headers, &Reported::default());
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
