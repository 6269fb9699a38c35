//! What was used: how much, by whom, of which model, on which day.

use chrono::NaiveDate;

pub use nexus_api::usage::UsageCount;

use crate::{PublicKey, Timestamp};

/// What a count is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UsageKey {
    /// Who asked.
    pub owner: PublicKey,
    /// The day in UTC on which the run began.
    pub day: NaiveDate,
    /// The name of the model in the catalog.
    pub model: String,
}

impl UsageKey {
    /// What is counted at this moment.
    #[must_use]
    pub fn new(owner: PublicKey, at: Timestamp, model: impl Into<String>) -> Self {
        Self {
            owner,
            day: at.date_naive(),
            model: model.into(),
        }
    }
}

/// A count and what it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What was counted.
    pub key: UsageKey,
    /// How much it was.
    pub count: UsageCount,
}

impl From<Usage> for nexus_api::usage::Usage {
    fn from(usage: Usage) -> Self {
        Self {
            owner: usage.key.owner.into(),
            day: usage.key.day,
            model: usage.key.model,
            count: usage.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_stay_at_the_largest_number() {
        let one = UsageCount {
            runs: 1,
            input_tokens: u64::MAX,
            output_tokens: 3,
            cached_input_tokens: 4,
            reasoning_tokens: 5,
            cost_micros: 6,
            estimated_runs: 7,
        };
        let two = one.saturating_add(one);
        assert_eq!((two.runs, two.input_tokens), (2, u64::MAX));
        assert_eq!((two.output_tokens, two.cached_input_tokens), (6, 8));
        assert_eq!((two.reasoning_tokens, two.cost_micros), (10, 12));
        assert_eq!(two.estimated_runs, 14);
    }

    #[test]
    fn a_day_is_a_day_of_greenwich() {
        let late = "2026-02-28T23:59:59.999Z".parse().unwrap();
        let key = UsageKey::new(PublicKey::from_bytes([1; 20]), late, "calm");
        assert_eq!(key.day.to_string(), "2026-02-28");
    }
}
