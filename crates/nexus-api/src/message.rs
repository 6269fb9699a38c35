//! `GET /api/v1/messages`: what was said.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::quarantine::Unreadable;
use chrono::{DateTime, Utc};

/// The author of a stored message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    Human,
    /// The model.
    Ai,
    /// A tool's result.
    Tool,
    /// Nexus itself.
    System,
}

impl Role {
    /// The stored spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Ai => "ai",
            Self::Tool => "tool",
            Self::System => "system",
        }
    }

    /// Reads a stored role. The original Python NEXUS wrote some in upper case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Human, Self::Ai, Self::Tool, Self::System]
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text))
    }
}

/// One stored message. It is never changed after it is stored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// `msg_…`
    pub id: String,
    /// The run that it belongs to: `run_…`
    pub run_id: String,
    /// The address of its owner.
    pub owner_key: String,
    /// The author.
    pub role: Role,
    /// The text.
    pub content: String,
    /// The time of its creation.
    pub timestamp: DateTime<Utc>,
    /// Facts about it: the model that answered, usage, tool calls. An object; expect more names.
    #[schema(value_type = MessageMetadata)]
    pub metadata: Box<RawValue>,
}

/// Facts about a message beside its text. Every name may be absent, and others may be there.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct MessageMetadata {
    /// The model that answered.
    #[schema(nullable = false)]
    pub model: Option<crate::event::AnsweredBy>,
    /// The version of the template in force.
    #[schema(nullable = false)]
    pub template_version: Option<u64>,
    /// The reason why the model stopped: `stop`, `length`, `content_filter`, or the provider's own word.
    #[schema(nullable = false)]
    pub finish_reason: Option<String>,
    /// The tokens used.
    #[schema(nullable = false)]
    pub usage: Option<crate::event::TokenUsage>,
    /// The content of the run's `error` event.
    #[schema(nullable = false)]
    pub error: Option<crate::event::RunError>,
    /// The model's thoughts before the answer.
    #[schema(nullable = false)]
    pub reasoning: Option<String>,
}

/// The parameters of `GET /api/v1/messages`.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// The page size, from 1 to 100; 20 if left out. A page of long messages has fewer.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub limit: Option<String>,
    /// `next_cursor` of the page before, exactly as it came.
    pub cursor: Option<String>,
}

/// A page of messages, newest first.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct MessagePage {
    /// Newest first.
    pub messages: Vec<Message>,
    /// Those between them that cannot be read.
    #[serde(default)]
    pub unreadable: Vec<Unreadable>,
    /// `cursor` for the next page. `null`: these were the oldest.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}
