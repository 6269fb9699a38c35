//! What comes back from a model.

use std::sync::Arc;

use nexus_core::event::Usage;

use crate::ToolCall;

/// One piece of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// The catalog name of the fallback that answers. Comes first, or not at all.
    Fallback(Arc<str>),
    /// A frame of OpenAI's protocol as it came, when [`ChatRequest::passes_frames`]. The pieces that
    /// it holds follow it.
    ///
    /// [`ChatRequest::passes_frames`]: crate::ChatRequest::passes_frames
    Verbatim(String),
    /// A piece of the answer. Never empty.
    Text(String),
    /// A piece of what the model thinks before it answers. Never empty, never part of the answer.
    Reasoning(String),
    /// A tool call, complete.
    ToolCall(ToolCall),
    /// The turn is over. Always the last piece.
    Finished(Finish),
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// Why the model stopped.
    pub reason: FinishReason,
    /// What the provider says answered.
    pub model_id: Option<Arc<str>>,
    /// What it cost, when the provider says so.
    pub usage: Option<Usage>,
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It had said everything.
    Stop,
    /// It reached `max_tokens`.
    Length,
    /// It wants tools.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
    /// Something else, in the provider's word.
    Other(String),
}

impl FinishReason {
    /// The word that is stored with the answer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other(word) => word,
        }
    }
}
