//! Which limit somebody has reached, in words.

use std::fmt;

use chrono::SecondsFormat;

use super::{Limit, Window};
use crate::Timestamp;

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// Which.
    pub limit: Limit,
    /// How much there may be.
    pub value: u64,
    /// When it starts anew. `None`: when something ends that is under way.
    pub resets_at: Option<Timestamp>,
    /// How many seconds to wait, at least 1.
    pub retry_after: u64,
}

impl LimitReached {
    /// A limit that starts anew with the next window.
    #[must_use]
    pub fn in_window(limit: Limit, value: u64, window: Window, now: Timestamp) -> Self {
        Self {
            limit,
            value,
            resets_at: Some(window.ends_at()),
            retry_after: window.seconds_left(now),
        }
    }

    /// A limit that something under way has to end for.
    #[must_use]
    pub const fn until_something_ends(limit: Limit, value: u64) -> Self {
        Self {
            limit,
            value,
            resets_at: None,
            retry_after: 1,
        }
    }
}

impl std::error::Error for LimitReached {}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, value, .. } = self;
        f.write_str("the limit of ")?;
        match limit {
            Limit::DailyCost => write!(f, "{}", Money(*value))?,
            _ => write!(f, "{value}")?,
        }
        write!(f, " {}", limit.unit())?;
        if let Some(period) = limit.period() {
            write!(f, " in a {}", period.word())?;
        }
        write!(f, " is reached ({limit}): ")?;
        match self.resets_at {
            Some(moment) => write!(
                f,
                "try again after {}, in {} s",
                moment.to_rfc3339_opts(SecondsFormat::Secs, true),
                self.retry_after
            ),
            None => f.write_str("try again when one of them has ended"),
        }
    }
}

/// Millionths of a currency, written as whole ones with as many digits as it takes, two at least.
#[derive(Clone, Copy)]
struct Money(u64);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:06}", self.0 % 1_000_000);
        let kept = digits.trim_end_matches('0').len().max(2);
        write!(f, "{}.{}", self.0 / 1_000_000, &digits[..kept])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Period;

    #[test]
    fn a_refusal_says_which_limit_its_value_and_when_it_ends() {
        let now = "2026-11-23T14:30:48Z".parse().unwrap();
        let said = |limit, value, period: Period| {
            LimitReached::in_window(limit, value, period.window(now), now).to_string()
        };
        assert_eq!(
            said(Limit::Requests, 60, Period::Minute),
            "the limit of 60 requests in a minute is reached (limits.identity.requests_per_minute): \
             try again after 2026-11-23T14:31:00Z, in 12 s"
        );
        assert_eq!(
            said(Limit::DailyCost, 2_500_000, Period::Day),
            "the limit of 2.50 of cost in a day is reached (limits.identity.daily_cost): \
             try again after 2026-11-24T00:00:00Z, in 34152 s"
        );
        assert_eq!(
            LimitReached::until_something_ends(Limit::ConcurrentRuns, 4).to_string(),
            "the limit of 4 runs at a time is reached (limits.identity.concurrent_runs): try again \
             when one of them has ended"
        );
        assert_eq!(Money(1).to_string(), "0.000001");
    }
}
