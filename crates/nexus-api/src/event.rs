//! The events of a run, as `POST /api/v1/chat` streams them.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::profile::{Notice, ProfileField};

/// One Server-Sent Event of a run: its name, and what its `data:` line holds. Every run ends with
/// exactly one `run_finished`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum ChatEvent<'a> {
    /// The run has begun. For a member, the question is stored by now.
    RunStarted(RunStarted),
    /// The run goes otherwise than it was asked for, such as with less history.
    Notice(RunNotice),
    /// A piece of the answer.
    TextChunk(TextChunk<'a>),
    /// A tool is about to be called.
    ToolCallStarted(ToolCallStarted<'a>),
    /// A tool has answered, or failed to.
    ToolCallFinished(ToolCallFinished<'a>),
    /// Something went wrong; `run_finished` follows.
    Error(RunError),
    /// The last event.
    RunFinished(RunFinished),
}

/// The run has begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunStarted {
    /// Names the run.
    pub run_id: String,
    /// The address of its owner.
    pub owner_key: String,
    /// The stored question. Absent for a visitor, of whom nothing is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message_id: Option<String>,
    /// The catalog name of the model that is asked. Absent for a visitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub model: Option<String>,
    /// The version of the template in force; 0 is the emergency template. Absent for a visitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub template_version: Option<u64>,
    /// A notice of the merge: a value that was ignored, clamped or replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// Every value in force and where it came from, for requests with `x-nexus-explain: 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub explanation: Option<Vec<ProfileField>>,
}

/// The run goes otherwise than it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunNotice {
    /// An explanation for people.
    #[serde(flatten)]
    pub notice: Notice,
    /// With `fallback`: the catalog name of the model that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub model: Option<String>,
}

/// A piece of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextChunk<'a> {
    /// The text; it may end in the middle of a word, never of a character.
    #[schema(value_type = String)]
    pub chunk: Cow<'a, str>,
    /// The channel that it belongs to.
    pub channel: Channel,
}

/// The channel of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The answer.
    Answer,
    /// The model's thoughts before it answers. Never part of the answer or of later context.
    Reasoning,
    /// Words of Nexus itself, for a visitor.
    Guidance,
}

/// A tool is about to be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolCallStarted<'a> {
    /// Names the call within the run.
    #[schema(value_type = String)]
    pub call_id: Cow<'a, str>,
    /// The tool.
    #[schema(value_type = String)]
    pub tool_name: Cow<'a, str>,
    /// The arguments.
    #[schema(value_type = Value)]
    pub args: Cow<'a, Value>,
}

/// A tool has answered, or failed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToolCallFinished<'a> {
    /// Names the call within the run.
    #[schema(value_type = String)]
    pub call_id: Cow<'a, str>,
    /// The tool.
    #[schema(value_type = String)]
    pub tool_name: Cow<'a, str>,
    /// The status of the call.
    pub status: ToolStatus,
    /// The result.
    #[schema(value_type = String)]
    pub result: Cow<'a, str>,
}

/// The status of a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    /// The tool answered.
    Success,
    /// It failed, timed out or does not exist; the model was told so.
    Error,
}

/// Something went wrong in a run that had begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunError {
    /// A stable code.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// The field that is wrong, such as `config.model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub field: Option<String>,
    /// An explanation for people, with the next step.
    pub message: String,
    /// `true` if asking again may help.
    pub retryable: bool,
    /// The seconds to wait before asking again, where the provider said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after: Option<u64>,
}

/// The run has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunFinished {
    /// Names the run.
    pub run_id: String,
    /// The status of the run.
    pub status: RunStatus,
    /// The model that answered, as the provider says. Absent when no model was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub model: Option<AnsweredBy>,
    /// The reason why the model stopped: `stop`, `length`, `tool_calls`, `content_filter`, or the
    /// provider's own word. Absent when it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub finish_reason: Option<String>,
    /// The reason why the answer was stopped early: `cancelled` or `shutdown`. Absent when it was not; an
    /// `error` event told of the failure of a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    pub interrupted: Option<Cow<'static, str>>,
    /// The tokens used, over all rounds. Absent when no model was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub usage: Option<TokenUsage>,
    /// `true` if the provider of at least one round told no usage: it was estimated from the
    /// length of the texts. Absent when not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub usage_estimated: bool,
    /// Every message of this run that is stored, in order.
    pub message_ids: Vec<String>,
}

/// The model that answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnsweredBy {
    /// The catalog name.
    #[schema(value_type = String)]
    pub name: Arc<str>,
    /// The provider's row.
    #[schema(value_type = String)]
    pub provider: Arc<str>,
    /// The provider's own name for the model that answered.
    #[schema(value_type = String)]
    pub id: Arc<str>,
}

/// The status of a run that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// The answer is stored.
    Completed,
    /// A visitor was told how to become a member.
    VisitorGuidanceSent,
    /// The model still wanted tools after `system.max_tool_iterations` rounds; what it said is
    /// stored.
    ToolLimit,
    /// The answer was stopped, by the person or in the middle by the provider; what had arrived is
    /// stored and marked.
    Interrupted,
    /// No answer. An `error` event said why.
    Failed,
}

impl RunStatus {
    /// The spelling in JSON.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenUsage {
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the answer, reasoning included.
    pub output_tokens: u64,
    /// The input tokens that came from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cached_input_tokens: Option<u64>,
    /// The output tokens that were reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reasoning_tokens: Option<u64>,
}

impl std::ops::AddAssign for TokenUsage {
    fn add_assign(&mut self, other: Self) {
        let sum = |a: Option<u64>, b: Option<u64>| a.or(b).map(|_| a.unwrap_or(0) + b.unwrap_or(0));
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cached_input_tokens = sum(self.cached_input_tokens, other.cached_input_tokens);
        self.reasoning_tokens = sum(self.reasoning_tokens, other.reasoning_tokens);
    }
}
