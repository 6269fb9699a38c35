//! An answer of the newer interface: what the model said and called, as items.

use nexus_api::event as api;
use nexus_core::RunEvent;
use nexus_core::event::{Channel, RunFinished, RunStatus, Usage};
use serde::Serialize;
use serde_json::{Value, json};

use crate::openai::completion::finish_reason;

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    id: String,
    /// In seconds since 1970.
    created: i64,
    model: Option<String>,
    items: Vec<Item>,
    /// What is in force, where the program wants to know.
    explanation: Option<Value>,
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
    /// `created` is in seconds since 1970.
    pub(super) fn new(created: i64) -> Self {
        Self {
            created,
            ..Self::default()
        }
    }

    /// Takes in what happened. Reasoning is left out: the interface shows summaries of it only,
    /// which nobody made.
    pub(super) fn take(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted(started) => {
                let run = started.run_id.as_str();
                let name = run.strip_prefix("run_").unwrap_or(run);
                self.id = format!("resp_{name}");
                self.model = started.model.as_deref().map(str::to_owned);
                self.explanation = started
                    .explanation
                    .is_some()
                    .then(|| json!(api::RunStarted::from(started)));
            }
            RunEvent::Fallback(fallback) => self.model = Some(fallback.model.to_string()),
            RunEvent::TextChunk {
                chunk,
                channel: Channel::Answer | Channel::Guidance,
            } => self.say(chunk),
            RunEvent::ClientToolCall {
                call_id,
                tool_name,
                arguments,
            } => self.items.push(Item::Call {
                id: self.item_id("fc"),
                call_id: call_id.clone(),
                name: tool_name.clone(),
                arguments: arguments.clone(),
            }),
            _ => {}
        }
    }

    fn say(&mut self, words: &str) {
        if let Some(Item::Message { text, .. }) = self.items.last_mut() {
            text.push_str(words);
            return;
        }
        let id = self.item_id("msg");
        let text = words.to_owned();
        self.items.push(Item::Message { id, text });
    }

    /// A name for the next item.
    fn item_id(&self, kind: &str) -> String {
        let name = self.id.trim_start_matches("resp_");
        format!("{kind}_{name}_{}", self.items.len())
    }

    /// The newest item and its place, if there is one. A message is added to until another item
    /// follows it.
    pub(super) fn newest(&self) -> Option<(usize, &Item)> {
        let item = self.items.last()?;
        Some((self.items.len() - 1, item))
    }

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
