//! Windows of time. They do not slide: all nodes agree on where one begins without talking.

use chrono::{DateTime, TimeDelta};
use sha2::{Digest, Sha256};

use super::Limit;
use crate::{CounterId, Timestamp};

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// From second 0 to second 59.
    Minute,
    /// From minute 0 to minute 59.
    Hour,
    /// A day in UTC.
    Day,
}

impl Period {
    /// How long it is.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// Its word, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The window that this moment is in.
    #[must_use]
    pub const fn window(self, at: Timestamp) -> Window {
        Window {
            period: self,
            start: at.timestamp().div_euclid(self.seconds()) * self.seconds(),
        }
    }
}

/// One stretch of time that a quota is for: from its start, included, to its end, not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    period: Period,
    /// Seconds since 1970.
    start: i64,
}

impl Window {
    /// When the next one begins.
    #[must_use]
    pub fn ends_at(self) -> Timestamp {
        let end = self.start.saturating_add(self.period.seconds());
        DateTime::from_timestamp(end, 0).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC)
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self, at: Timestamp) -> bool {
        self.ends_at() <= at
    }

    /// How long it goes on, in seconds, at least 1.
    #[must_use]
    pub fn seconds_left(self, at: Timestamp) -> u64 {
        let left = self.ends_at() - at;
        let seconds = (left + TimeDelta::milliseconds(999)).num_seconds();
        u64::try_from(seconds).unwrap_or(0).max(1)
    }
}

/// What all nodes call the counter of one limit for one subject in one window.
#[must_use]
pub fn counter_id(limit: Limit, subject: &[u8], window: Window) -> CounterId {
    let mut hash = Sha256::new();
    hash.update(b"nexus limit\0");
    hash.update(limit.section());
    hash.update(b"\0");
    hash.update(limit.key());
    hash.update(b"\0");
    hash.update(window.start.to_be_bytes());
    hash.update(subject);
    CounterId::from_bytes(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_begins_with_the_minute_the_hour_and_the_day_of_greenwich() {
        let moment = at("2026-02-28T23:59:59.001Z");
        for period in [Period::Minute, Period::Hour, Period::Day] {
            let window = period.window(moment);
            assert_eq!(window.ends_at(), at("2026-03-01T00:00:00Z"));
            assert_eq!(window.seconds_left(moment), 1);
            assert!(!window.is_over(moment));
            assert!(window.is_over(window.ends_at()));
            assert_ne!(period.window(window.ends_at()), window);
        }
        let before_1970 = Period::Minute.window(at("1969-12-31T23:59:30Z"));
        assert_eq!(before_1970.ends_at(), at("1970-01-01T00:00:00Z"));
    }

    #[test]
    fn counters_differ_by_limit_subject_and_window() {
        let now = at("2026-02-28T23:59:59Z");
        let window = Period::Minute.window(now);
        let next = Period::Minute.window(window.ends_at());
        let ids = [
            counter_id(Limit::Requests, b"a", window),
            counter_id(Limit::Tokens, b"a", window),
            counter_id(Limit::AnonymousRequests, b"a", window),
            counter_id(Limit::Requests, b"b", window),
            counter_id(Limit::Requests, b"a", next),
        ];
        for (place, id) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(id));
        }
    }
}
