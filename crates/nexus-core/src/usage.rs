//! What was used: how much, by whom, of which model, on which day.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{PublicKey, Timestamp};

/// What a count is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// How much. A number stays at the largest that there is rather than start over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCount {
    /// Runs that asked the model.
    pub runs: u64,
    /// Tokens that the model was sent, cached ones among them.
    pub input_tokens: u64,
    /// Tokens that the model wrote, those of its reasoning among them.
    pub output_tokens: u64,
    /// Sent tokens that the provider had in its cache.
    pub cached_input_tokens: u64,
    /// Written tokens that were reasoning.
    pub reasoning_tokens: u64,
    /// What it cost, in millionths of the currency that the prices of the catalog are in.
    pub cost_micros: u64,
    /// Runs of which the provider did not tell all of that: the rest is an estimate from the length
    /// of the texts.
    #[serde(default)]
    pub estimated_runs: u64,
}

impl UsageCount {
    /// Both together.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self {
            runs: self.runs.saturating_add(other.runs),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_input_tokens: self
                .cached_input_tokens
                .saturating_add(other.cached_input_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
            estimated_runs: self.estimated_runs.saturating_add(other.estimated_runs),
        }
    }
}

/// A count and what it is of. As JSON one flat object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// What was counted.
    #[serde(flatten)]
    pub key: UsageKey,
    /// How much it was.
    #[serde(flatten)]
    pub count: UsageCount,
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
