//! What a client sees of a run.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::profile::Explanation;
use crate::{MessageId, PublicKey, RunId};

/// One event of a run. Every run ends with exactly one [`RunEvent::RunFinished`].
///
/// On the wire it is its [name](RunEvent::name) and what it serializes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RunEvent {
    /// The run has begun. For a member, the question is stored by now.
    RunStarted(RunStarted),
    /// A piece of the answer.
    TextChunk {
        /// The text; it may end in the middle of a word, never of a character.
        chunk: String,
        /// What it is a piece of.
        channel: Channel,
    },
    /// A frame of the answer as the provider sent it, where provider and client speak the same
    /// protocol and nothing stands between them. What it says is not told by other events.
    Verbatim(String),
    /// Another model answers.
    Fallback(Fallback),
    /// The run goes otherwise than it was asked for, such as with less history.
    Notice(NoticeText),
    /// The model calls a tool of the client's own, which the client carries out.
    ClientToolCall {
        /// Names the call.
        call_id: String,
        /// The tool.
        tool_name: String,
        /// The arguments, as the JSON text that the model wrote.
        arguments: String,
    },
    /// A tool is about to be called.
    ToolCallStarted {
        /// Names the call within the run.
        call_id: String,
        /// The tool.
        tool_name: String,
        /// What it is given.
        args: Value,
    },
    /// A tool has answered, or failed to.
    ToolCallFinished {
        /// Names the call within the run.
        call_id: String,
        /// The tool.
        tool_name: String,
        /// How it ended.
        status: ToolStatus,
        /// What it said.
        result: String,
    },
    /// Something went wrong; `RunFinished` follows.
    Error {
        /// A stable code.
        code: &'static str,
        /// Whose fault it is. Becomes the HTTP status when nothing was streamed yet.
        #[serde(skip)]
        kind: ErrorKind,
        /// The field that is wrong, such as `config.model`.
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<String>,
        /// What happened and what to do, for people.
        message: String,
        /// Whether asking again may help.
        retryable: bool,
        /// When to ask again, in seconds, where the provider said so.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// The last event.
    RunFinished(RunFinished),
}

impl RunEvent {
    /// The name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RunStarted(_) => "run_started",
            Self::TextChunk { .. } => "text_chunk",
            Self::Verbatim(_) => "verbatim",
            Self::Fallback(_) | Self::Notice(_) => "notice",
            Self::ClientToolCall { .. } => "client_tool_call",
            Self::ToolCallStarted { .. } => "tool_call_started",
            Self::ToolCallFinished { .. } => "tool_call_finished",
            Self::Error { .. } => "error",
            Self::RunFinished(_) => "run_finished",
        }
    }
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request asks for something that can never be.
    Invalid,
    /// The caller may not.
    Forbidden,
    /// It is not there.
    NotFound,
    /// Somebody else changed the same thing.
    Conflict,
    /// Too much at a time.
    RateLimited,
    /// Nexus cannot at the moment.
    Unavailable,
    /// A provider failed.
    Upstream,
    /// A provider was too slow.
    UpstreamTimeout,
    /// A defect in Nexus.
    Internal,
}

/// Payload of [`RunEvent::RunStarted`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunStarted {
    /// Names the run.
    pub run_id: RunId,
    /// Whose run it is.
    pub owner_key: PublicKey,
    /// The stored question. Absent for a visitor, of whom nothing is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The catalog name of the model that is asked. Absent for a visitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
    /// The version of the template in force. Absent for a visitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version: Option<u64>,
    /// What the merge wants to say: a value that was ignored, clamped or replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<NoticeText>,
    /// Every value in force and where it came from, when the client wanted to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Vec<Explanation>>,
}

/// A notice, ready to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeText {
    /// A stable code.
    pub code: &'static str,
    /// The field that it is about, such as `config.model`.
    pub field: String,
    /// What happened, for people.
    pub message: String,
}

/// Payload of [`RunEvent::Fallback`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// What happened, for people.
    #[serde(flatten)]
    pub notice: NoticeText,
    /// The catalog name of the model that answers.
    pub model: Arc<str>,
}

/// What a piece of text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The answer.
    Answer,
    /// What the model thinks before it answers. Never part of the answer or of later context.
    Reasoning,
    /// Words of Nexus itself, for a visitor.
    Guidance,
}

/// How a tool call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    /// The tool answered.
    Success,
    /// It failed, timed out or does not exist; the model was told so.
    Error,
}

/// Payload of [`RunEvent::RunFinished`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunFinished {
    /// Names the run.
    pub run_id: RunId,
    /// How the run ended.
    pub status: RunStatus,
    /// What the provider says it used to answer. Absent when no model was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<AnsweredBy>,
    /// Why the model stopped: `stop`, `length`, `tool_calls`, `content_filter`, or the provider's
    /// own word. Absent when it did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Why the answer was stopped early: `cancelled` or `shutdown`. Absent when it was not; an `error`
    /// event told of the failure of a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<&'static str>,
    /// What was used, over all rounds. Absent when no model was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Of at least one round the provider did not say what it used: it was estimated from the
    /// length of the texts. Absent when not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub usage_estimated: bool,
    /// Every message of this run that is stored, in order.
    pub message_ids: Vec<MessageId>,
}

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnsweredBy {
    /// The catalog name.
    pub name: Arc<str>,
    /// The provider's row.
    pub provider: Arc<str>,
    /// What the provider itself calls the model that answered.
    pub id: Arc<str>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// The answer is stored.
    Completed,
    /// A visitor was told how to become a member.
    VisitorGuidanceSent,
    /// The model still wanted tools after `system.max_tool_iterations` rounds; what it said is stored.
    ToolLimit,
    /// The answer was stopped, by the person or in the middle by the provider; what had arrived is
    /// stored and marked.
    Interrupted,
    /// No answer. An `error` event said why.
    Failed,
}

impl RunStatus {
    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::VisitorGuidanceSent => "visitor_guidance_sent",
            Self::ToolLimit => "tool_limit",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// Tokens used, as the provider counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the answer, reasoning included.
    pub output_tokens: u64,
    /// Of the input, how many came from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    /// Of the output, how many were reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let sum = |a: Option<u64>, b: Option<u64>| a.or(b).map(|_| a.unwrap_or(0) + b.unwrap_or(0));
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cached_input_tokens = sum(self.cached_input_tokens, other.cached_input_tokens);
        self.reasoning_tokens = sum(self.reasoning_tokens, other.reasoning_tokens);
    }
}
