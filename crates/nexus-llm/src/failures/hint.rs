//! What the headers of a failed answer say about asking again: `Retry-After` (RFC 9110, section
//! 10.2.3), and what OpenAI and Azure send beside it.

use std::time::Duration;

use http::{HeaderMap, header};

use crate::error::RetryHint;

/// A provider that asks to wait for longer than this does not mean it.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// What makes no sense is left out: a past date, a negative number, words.
pub(super) fn read(headers: &HeaderMap) -> RetryHint {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name| text(name)?.parse::<f64>().ok();
    let milliseconds = number("retry-after-ms").or_else(|| number("x-ms-retry-after-ms"));
    let seconds = milliseconds
        .map(|milliseconds| milliseconds / 1000.0)
        .or_else(|| number("retry-after"));
    let wait = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => until(headers),
    };
    RetryHint {
        after: wait.filter(|wait| *wait <= LONGEST_WAIT),
        again: match text("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        },
    }
}

/// How long it is until the date in `Retry-After`, by the clock of the server that wrote it: our own
/// may differ.
fn until(headers: &HeaderMap) -> Option<Duration> {
    let date = |name| httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok();
    date(header::RETRY_AFTER)?
        .duration_since(date(header::DATE)?)
        .ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn hint<const N: usize>(headers: [(&'static str, &'static str); N]) -> RetryHint {
        let headers = headers.map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        read(&HeaderMap::from_iter(headers))
    }

    #[test]
    fn a_wait_is_read_in_every_form() {
        let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
        assert_eq!(hint([("retry-after", "7")]).after, seconds(7.0));
        assert_eq!(hint([("retry-after", "0.5")]).after, seconds(0.5));
        assert_eq!(hint([("retry-after-ms", "1500")]).after, seconds(1.5));
        assert_eq!(hint([("x-ms-retry-after-ms", "20")]).after, seconds(0.02));
        let both = hint([("retry-after", "2"), ("retry-after-ms", "1500")]);
        assert_eq!(both.after, seconds(1.5), "the finer one counts");
        let date = hint([
            ("date", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ("retry-after", "Wed, 21 Oct 2015 07:28:09 GMT"),
        ]);
        assert_eq!(date.after, seconds(9.0));
    }

    #[test]
    fn nonsense_is_no_wait() {
        for nonsense in [
            "-5",
            "NaN",
            "inf",
            "1e12",
            "soon",
            "",
            "Wed, 21 Oct 2015 07:27:00 GMT",
            "Wed, 21 Oct 2095 07:28:00 GMT",
        ] {
            let now = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
            assert_eq!(
                hint([now, ("retry-after", nonsense)]).after,
                None,
                "{nonsense}"
            );
        }
    }

    #[test]
    fn a_provider_says_whether_to_try_again() {
        assert_eq!(hint([("x-should-retry", "true")]).again, Some(true));
        assert_eq!(hint([("x-should-retry", "false")]).again, Some(false));
        assert_eq!(hint([("x-should-retry", "maybe")]).again, None);
    }
}
