//! An answer of the newer interface: what the model said and called, as items.

use nexus_core::event::{RunFinished, RunStatus, Usage};
use serde::Serialize;
use serde_json::{Value, json};

use crate::openai::completion::finish_reason;

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) id: String,
    /// In seconds since 1970.
    pub(super) created: i64,
    pub(super) model: Option<String>,
    pub(super) items: Vec<Item>,
    /// What is in force, where the program wants to know.
    pub(super) explanation: Option<Value>,
}

/// Something that the model did.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    Message {
        id: String,
        text: String,
    },
    Call {
        id: String,
        call_id: String,
        name: String,
        arguments: String,
    },
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

impl Status {
    pub(super) fn of(finished: &RunFinished) -> Self {
        match (finished.status, finish_reason(finished, false)) {
            (RunStatus::Failed | RunStatus::Interrupted, _) => Self::Failed,
            (_, "length" | "content_filter") => Self::Incomplete,
            _ => Self::Completed,
        }
    }

    /// The last event of a stream.
    pub(super) const fn event(self) -> &'static str {
        match self {
            Self::InProgress => "response.in_progress",
            Self::Completed => "response.completed",
            Self::Incomplete => "response.incomplete",
            Self::Failed => "response.failed",
        }
    }
}

impl Item {
    /// As the interface writes it, when it is whole.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Message { id, text } => json!({
                "type": "message",
                "id": id,
                "status": "completed",
                "role": "assistant",
                "content": [part(text)],
            }),
            Self::Call {
                id,
                call_id,
                name,
                arguments,
            } => json!({
                "type": "function_call",
                "id": id,
                "status": "completed",
                "call_id": call_id,
                "name": name,
                "arguments": arguments,
            }),
        }
    }
}

/// The one part of a message.
pub(super) fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

impl Answer {
    /// As the interface writes it. `finished`: how it ended, if it has.
    pub(super) fn to_json(&self, finished: Option<&RunFinished>, error: Option<&Value>) -> Value {
        let status = finished.map_or(Status::InProgress, Status::of);
        let reason = finished.map(|finished| finish_reason(finished, false));
        let reason = match reason {
            Some("length") => Some("max_output_tokens"),
            other => other,
        };
        let incomplete = (status == Status::Incomplete).then(|| json!({ "reason": reason }));
        let items: Vec<_> = self.items.iter().map(Item::to_json).collect();
        let mut answer = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": error,
            "incomplete_details": incomplete,
            "instructions": null,
            "metadata": {},
            "model": self.model,
            "output": items,
            "parallel_tool_calls": true,
            "temperature": null,
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "usage": finished.and_then(|finished| finished.usage).map(usage),
        });
        if let Some(explanation) = &self.explanation {
            answer["nexus"] = explanation.clone();
        }
        answer
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": { "cached_tokens": usage.cached_input_tokens.unwrap_or(0) },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning_tokens.unwrap_or(0) },
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
    })
}
