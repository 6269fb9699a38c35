//! `GET /api/v1/usage`: how much was used, by day and model.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The parameters of `GET /api/v1/usage`.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// The first day, in UTC; 29 days before `to` if left out.
    pub from: Option<NaiveDate>,
    /// The last day, in UTC; today if left out.
    pub to: Option<NaiveDate>,
}

/// The usage of a person.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct UsageReport {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// In the order of days, then of models.
    pub usage: Vec<Usage>,
    /// All of it together.
    pub total: UsageCount,
}

/// A count and what it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// The address of whoever asked.
    pub owner: String,
    /// The day in UTC on which the run began.
    pub day: NaiveDate,
    /// The name of the model in the catalog.
    pub model: String,
    /// The amount.
    #[serde(flatten)]
    pub count: UsageCount,
}

/// An amount of usage. A number stays at the largest that there is rather than start over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// The cost, in millionths of the currency that the prices of the catalog are in.
    pub cost_micros: u64,
    /// Runs of which the provider did not tell all of that: the rest is an estimate from the length
    /// of the texts.
    #[serde(default)]
    #[schema(required = true)]
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
