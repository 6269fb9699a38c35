//! `POST /api/v1/chat`: a question.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Object;

/// A question, or the run whose stored question is asked again. One of `content` and `run_id` is
/// there.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// A question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub content: Option<String>,
    /// The run whose stored question is asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The overrides of this one request, stronger than everything stored. A name that is left out is
    /// inherited.
    #[serde(default)]
    #[schema(value_type = ChatConfig)]
    pub config: Object,
}

/// The overrides of one request.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatConfig {
    /// A catalog name, an alias or a provider's id.
    #[schema(nullable = false)]
    pub model: Option<String>,
    /// Sampling temperature.
    #[schema(nullable = false, minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// The longest answer, in tokens.
    #[schema(nullable = false, minimum = 1, maximum = 1_000_000)]
    pub max_tokens: Option<u32>,
    /// The most earlier messages that the model is shown.
    #[schema(nullable = false, minimum = 0, maximum = 100)]
    pub history_context_size: Option<u32>,
    /// The tools that the model may call: `current_time`, `SERVER` or `SERVER.TOOL`.
    #[schema(nullable = false)]
    pub tools: Option<Vec<String>>,
}
