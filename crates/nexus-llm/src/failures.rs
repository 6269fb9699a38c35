//! Words errors: names the provider, blots out its key, keeps messages short.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use nexus_core::egress::PinnedKey;

use crate::protocol::Fault;
use crate::report::Reported;
use crate::{Finish, FinishReason, LlmError};

/// The longest message of a provider that is passed on, in characters.
const MESSAGE_LIMIT: usize = 500;
/// A provider that asks to wait for longer than this does not mean it.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

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
            Fault::Reported(reported) => match reported.code {
                // A refusal with 403 is mostly about what was asked, once an answer has begun.
                Some(403) => self.rejected(403, &reported.message),
                Some(400..=499) => self.status(StatusCode::OK, &HeaderMap::new(), &reported),
                _ => self.failed(StatusCode::OK, &reported.message),
            },
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
            429 => LlmError::RateLimited {
                provider,
                retry_after: retry_after(headers)
                    .or(said.retry_after)
                    .filter(|wait| *wait <= LONGEST_WAIT),
            },
            300..=399 => {
                let message = "it redirects, and Nexus follows no redirects: \
                               set base_url to the final address";
                self.rejected(code, message)
            }
            400..=499 => self.rejected(code, &said.message),
            _ => self.failed(status, &said.message),
        }
    }

    fn rejected(&self, status: u16, message: &str) -> LlmError {
        LlmError::Rejected {
            provider: self.provider(),
            status,
            message: self.clean(message),
        }
    }

    fn provider(&self) -> String {
        self.provider.as_ref().to_owned()
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
            FinishReason::Other(word) => FinishReason::Other(self.redact(&word)),
            reason => reason,
        };
        let model_id = finish.model_id.map(|id| match &self.key {
            Some(_) => self.redact(&id).into(),
            None => id,
        });
        Finish {
            reason,
            model_id,
            ..finish
        }
    }

    /// Without the key and control characters, and not too long. The key goes first: a part of it
    /// must not survive at the cut.
    fn clean(&self, text: &str) -> String {
        let text = self.redact(text);
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

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms")
        .map(|milliseconds| milliseconds / 1000.0)
        .or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn failures(key: &'static str) -> Failures {
        let base_url = url::Url::parse("https://acme.test").unwrap();
        let secrets = nexus_core::egress::Secrets::new(|_| Some(key.to_owned()))
            .pin("ACME_KEY", ["acme.test".parse().unwrap()]);
        Failures::new("acme".into(), secrets.key("ACME_KEY", &base_url).unwrap())
    }

    fn waits(name: &'static str, value: &'static str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )]);
        let said = Reported::default();
        match failures("").status(StatusCode::TOO_MANY_REQUESTS, &headers, &said) {
            LlmError::RateLimited { retry_after, .. } => retry_after,
            other => panic!("{other}"),
        }
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
    fn a_wait_is_read_when_it_makes_sense() {
        assert_eq!(waits("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(
            waits("retry-after", "0.5"),
            Some(Duration::from_millis(500))
        );
        assert_eq!(
            waits("retry-after-ms", "1500"),
            Some(Duration::from_millis(1500))
        );
        for nonsense in [
            "-5",
            "NaN",
            "inf",
            "1e12",
            "soon",
            "Wed, 21 Oct 2015 07:28:00 GMT",
        ] {
            assert_eq!(waits("retry-after", nonsense), None, "{nonsense}");
        }
    }
}
