//! How much anybody may have: the section `limits` of the template, and the arithmetic behind it.
//! Nothing here knows a clock or a store.

mod address;
mod ledger;
mod refusal;
mod tally;
mod window;

use std::fmt;

pub use address::AddressBlock;
pub use ledger::{Ledger, Reading, Spending};
pub use refusal::LimitReached;
pub use tally::{Share, Tally, Windows};
pub use window::{Period, Window, counter_id};

const MILLION: u64 = 1_000_000;

/// Every limit that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    /// Questions that one identity asks.
    Requests,
    /// Tokens that one identity uses.
    Tokens,
    /// Runs of one identity at the same time, on one node.
    ConcurrentRuns,
    /// Tokens that one identity uses on one day.
    DailyTokens,
    /// Cost of one identity on one day, in millionths of the currency of the catalog.
    DailyCost,
    /// Sign-ins from one address of the network.
    SignIns,
    /// New identities from one address of the network.
    Registrations,
    /// Unauthenticated requests, and requests of visitors, from one block of client addresses.
    AnonymousRequests,
    /// Requests of one identity that read something.
    Reads,
    /// Commands and changes of one identity.
    Changes,
}

/// What is fixed about a limit.
struct Facts {
    section: &'static str,
    key: &'static str,
    /// What holds when the template says nothing. `None`: there is no limit then.
    usual: Option<u64>,
    /// The most that a template may say.
    ceiling: u64,
    period: Option<Period>,
    /// What is counted, for people.
    unit: &'static str,
}

impl Facts {
    /// Of a limit that is no matter of time.
    const fn of_identity(
        key: &'static str,
        unit: &'static str,
        usual: Option<u64>,
        ceiling: u64,
    ) -> Self {
        Self {
            section: "identity",
            key,
            usual,
            ceiling,
            period: None,
            unit,
        }
    }

    const fn of_address(key: &'static str, unit: &'static str, usual: u64, ceiling: u64) -> Self {
        Self {
            section: "ip",
            ..Self::of_identity(key, unit, Some(usual), ceiling)
        }
    }

    /// The same, anew with each of these.
    const fn in_a(self, period: Period) -> Self {
        Self {
            period: Some(period),
            ..self
        }
    }
}

impl Limit {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Requests,
        Self::Tokens,
        Self::ConcurrentRuns,
        Self::DailyTokens,
        Self::DailyCost,
        Self::SignIns,
        Self::Registrations,
        Self::AnonymousRequests,
        Self::Reads,
        Self::Changes,
    ];

    const fn facts(self) -> Facts {
        use Period::{Day, Hour, Minute};
        match self {
            Self::Requests => {
                Facts::of_identity("requests_per_minute", "requests", Some(120), MILLION)
                    .in_a(Minute)
            }
            Self::Tokens => {
                let ceiling = 10_000 * MILLION;
                Facts::of_identity("tokens_per_minute", "tokens", Some(500_000), ceiling)
                    .in_a(Minute)
            }
            Self::ConcurrentRuns => {
                Facts::of_identity("concurrent_runs", "runs at a time", Some(4), 1_000)
            }
            Self::DailyTokens => {
                let ceiling = MILLION * MILLION;
                Facts::of_identity("daily_tokens", "tokens", Some(10 * MILLION), ceiling).in_a(Day)
            }
            Self::DailyCost => {
                Facts::of_identity("daily_cost", "of cost", None, MILLION * MILLION).in_a(Day)
            }
            Self::SignIns => {
                Facts::of_address("sign_in_per_minute", "sign-ins", 60, 100_000).in_a(Minute)
            }
            Self::Registrations => {
                Facts::of_address("registrations_per_hour", "registrations", 20, 100_000).in_a(Hour)
            }
            Self::AnonymousRequests => {
                let unit = "requests without a credential";
                Facts::of_address("requests_per_minute", unit, 1_200, MILLION).in_a(Minute)
            }
            Self::Reads => {
                Facts::of_identity("reads_per_minute", "reads", Some(6_000), MILLION).in_a(Minute)
            }
            Self::Changes => {
                let unit = "commands and changes";
                Facts::of_identity("changes_per_minute", unit, Some(120), MILLION).in_a(Minute)
            }
        }
    }

    /// The part of the template's `limits` that it is in: `identity` or `ip`.
    #[must_use]
    pub const fn section(self) -> &'static str {
        self.facts().section
    }

    /// Its key in that part.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.facts().key
    }

    /// What holds when the template says nothing, in the unit of [`Limits::get`]. `None`: there is
    /// no limit then.
    #[must_use]
    pub const fn usual(self) -> Option<u64> {
        self.facts().usual
    }

    /// The most that a template may say, in the unit of [`Limits::get`].
    #[must_use]
    pub const fn ceiling(self) -> u64 {
        self.facts().ceiling
    }

    /// How long until it starts anew. `None`: it is not about time.
    #[must_use]
    pub const fn period(self) -> Option<Period> {
        self.facts().period
    }

    /// What is counted, for people.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        self.facts().unit
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limits.{}.{}", self.section(), self.key())
    }
}

/// `limits` of the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits([Option<u64>; Limit::ALL.len()]);

impl Default for Limits {
    fn default() -> Self {
        Self(Limit::ALL.map(Limit::usual))
    }
}

impl Limits {
    /// How much there may be. Cost is in millionths of the currency that the prices of the catalog
    /// are in. `None`: as much as one likes.
    #[must_use]
    pub const fn get(&self, limit: Limit) -> Option<u64> {
        self.0[limit as usize]
    }

    /// The same limits with another value for one of them. It stays within the ceiling.
    #[must_use]
    pub fn with(mut self, limit: Limit, value: u64) -> Self {
        self.0[limit as usize] = Some(value.min(limit.ceiling()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_at_its_own_place_and_below_its_ceiling() {
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place);
            assert!(limit.usual().is_none_or(|usual| usual < limit.ceiling()));
            let limits = Limits::default().with(limit, u64::MAX);
            assert_eq!(limits.get(limit), Some(limit.ceiling()));
        }
    }
}
