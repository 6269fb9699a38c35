//! What a client sees of a run.

use std::sync::Arc;

use nexus_api::event as api;
use nexus_api::profile::ProfileField;
use serde_json::Value;

pub use nexus_api::event::{AnsweredBy, Channel, RunStatus, TokenUsage as Usage, ToolStatus};
pub use nexus_api::profile::Notice as NoticeText;

use crate::{MessageId, PublicKey, RunId};

/// One event of a run. Every run ends with exactly one [`RunEvent::RunFinished`].
#[derive(Clone, Debug, PartialEq)]
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
        kind: ErrorKind,
        /// The field that is wrong, such as `config.model`.
        field: Option<String>,
        /// What happened and what to do, for people.
        message: String,
        /// Whether asking again may help.
        retryable: bool,
        /// When to ask again, in seconds, where the provider said so.
        retry_after: Option<u64>,
    },
    /// The last event.
    RunFinished(RunFinished),
}

impl RunEvent {
    /// What an `error` event tells.
    #[must_use]
    pub fn failure(&self) -> Option<api::RunError> {
        let Self::Error {
            code,
            field,
            message,
            retryable,
            retry_after,
            ..
        } = self
        else {
            return None;
        };
        Some(api::RunError {
            code: (*code).into(),
            field: field.clone(),
            message: message.clone(),
            retryable: *retryable,
            retry_after: *retry_after,
        })
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
#[derive(Clone, Debug, PartialEq)]
pub struct RunStarted {
    /// Names the run.
    pub run_id: RunId,
    /// Whose run it is.
    pub owner_key: PublicKey,
    /// The stored question. Absent for a visitor, of whom nothing is stored.
    pub message_id: Option<MessageId>,
    /// The catalog name of the model that is asked. Absent for a visitor.
    pub model: Option<Arc<str>>,
    /// The version of the template in force. Absent for a visitor.
    pub template_version: Option<u64>,
    /// What the merge wants to say: a value that was ignored, clamped or replaced.
    pub notices: Vec<NoticeText>,
    /// Every value in force and where it came from, when the client wanted to know.
    pub explanation: Option<Vec<ProfileField>>,
}

/// Payload of [`RunEvent::Fallback`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What happened, for people.
    pub notice: NoticeText,
    /// The catalog name of the model that answers.
    pub model: Arc<str>,
}

/// Payload of [`RunEvent::RunFinished`].
#[derive(Clone, Debug, PartialEq)]
pub struct RunFinished {
    /// Names the run.
    pub run_id: RunId,
    /// How the run ended.
    pub status: RunStatus,
    /// What the provider says it used to answer. Absent when no model was asked.
    pub model: Option<AnsweredBy>,
    /// Why the model stopped: `stop`, `length`, `tool_calls`, `content_filter`, or the provider's
    /// own word. Absent when it did not say.
    pub finish_reason: Option<String>,
    /// Why the answer was stopped early: `cancelled` or `shutdown`. Absent when it was not; an `error`
    /// event told of the failure of a provider.
    pub interrupted: Option<&'static str>,
    /// What was used, over all rounds. Absent when no model was reached.
    pub usage: Option<Usage>,
    /// Of at least one round the provider did not say what it used: it was estimated from the
    /// length of the texts. Absent when not.
    pub usage_estimated: bool,
    /// Every message of this run that is stored, in order.
    pub message_ids: Vec<MessageId>,
}

impl From<&RunStarted> for api::RunStarted {
    fn from(started: &RunStarted) -> Self {
        Self {
            run_id: started.run_id.to_string(),
            owner_key: started.owner_key.to_string(),
            message_id: started.message_id.as_ref().map(ToString::to_string),
            model: started.model.as_deref().map(str::to_owned),
            template_version: started.template_version,
            notices: started.notices.clone(),
            explanation: started.explanation.clone(),
        }
    }
}

impl From<&RunFinished> for api::RunFinished {
    fn from(finished: &RunFinished) -> Self {
        let message_ids = finished.message_ids.iter();
        Self {
            run_id: finished.run_id.to_string(),
            status: finished.status,
            model: finished.model.clone(),
            finish_reason: finished.finish_reason.clone(),
            interrupted: finished.interrupted.map(Into::into),
            usage: finished.usage,
            usage_estimated: finished.usage_estimated,
            message_ids: message_ids.map(ToString::to_string).collect(),
        }
    }
}
