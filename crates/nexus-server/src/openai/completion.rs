//! The events of a run as one answer.

use bytes::Bytes;
use futures_util::Stream;
use nexus_api::event as api;
use nexus_core::event::{Channel, RunFinished, RunStarted, RunStatus};
use nexus_core::{RunEvent, RunId};
use serde_json::{Map, Value, json};

use super::begin::hear_out;
use super::usage::TokenUsage;
use crate::ApiError;

/// What came so far.
#[derive(Debug, Default)]
struct Collected {
    /// In seconds since 1970.
    created: i64,
    started: Option<RunStarted>,
    model: Option<String>,
    /// The answer as the provider sent it.
    verbatim: Option<String>,
    text: String,
    reasoning: String,
    calls: Vec<Value>,
}

/// Waits for the end.
///
/// # Errors
/// When the run failed, also in the middle: half an answer is none.
pub(super) async fn collect(
    events: impl Stream<Item = RunEvent>,
    created: i64,
) -> Result<Bytes, ApiError> {
    let mut collected = Collected {
        created,
        ..Collected::default()
    };
    let finished = hear_out(events, |event| collected.add(event)).await?;
    collected.answer(&finished)
}

impl Collected {
    fn add(&mut self, event: RunEvent) {
        match event {
            RunEvent::RunStarted(started) => {
                self.model = started.model.as_deref().map(str::to_owned);
                self.started = Some(started);
            }
            RunEvent::Fallback(fallback) => self.model = Some(fallback.model.to_string()),
            RunEvent::Verbatim(body) => self.verbatim = Some(body),
            RunEvent::TextChunk { chunk, channel } => match channel {
                Channel::Answer | Channel::Guidance => self.text.push_str(&chunk),
                Channel::Reasoning => self.reasoning.push_str(&chunk),
            },
            RunEvent::ClientToolCall {
                call_id,
                tool_name,
                arguments,
            } => self.calls.push(json!({
                "id": call_id,
                "type": "function",
                "function": { "name": tool_name, "arguments": arguments },
            })),
            RunEvent::Notice(_)
            | RunEvent::ToolCallStarted { .. }
            | RunEvent::ToolCallFinished { .. }
            | RunEvent::Error { .. }
            | RunEvent::RunFinished(_) => {}
        }
    }

    fn answer(mut self, finished: &RunFinished) -> Result<Bytes, ApiError> {
        let started = self.started.take().ok_or_else(ApiError::unexplained)?;
        let explanation = started
            .explanation
            .is_some()
            .then(|| json!(api::RunStarted::from(&started)));
        let mut answer = match self.verbatim.take() {
            Some(body) if explanation.is_none() => return Ok(body.into()),
            Some(body) => serde_json::from_str(&body).map_err(ApiError::internal)?,
            None if finished.status == RunStatus::Interrupted => {
                return Err(ApiError::interrupted());
            }
            None => self.completion(&started, finished),
        };
        if let Some(explanation) = explanation {
            answer.insert("nexus".to_owned(), explanation);
        }
        serde_json::to_vec(&answer)
            .map(Bytes::from)
            .map_err(ApiError::internal)
    }

    fn completion(self, started: &RunStarted, finished: &RunFinished) -> Map<String, Value> {
        let finish_reason = finish_reason(finished, !self.calls.is_empty());
        let is_silent = self.text.is_empty() && !self.calls.is_empty();
        let mut message = Map::new();
        message.insert("role".into(), "assistant".into());
        message.insert("content".into(), (!is_silent).then_some(self.text).into());
        message.insert("refusal".into(), Value::Null);
        if !self.reasoning.is_empty() {
            message.insert("reasoning_content".into(), self.reasoning.into());
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".into(), self.calls.into());
        }
        let choice = json!({
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish_reason,
        });
        let fields = [
            ("id", id(&started.run_id).into()),
            ("object", "chat.completion".into()),
            ("created", self.created.into()),
            ("model", self.model.into()),
            ("choices", Value::Array(vec![choice])),
            ("usage", json!(finished.usage.map(TokenUsage::from))),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

/// The protocol's name for an answer.
pub(super) fn id(run: &RunId) -> String {
    let name = run.as_str();
    format!("chatcmpl-{}", name.strip_prefix("run_").unwrap_or(name))
}

/// The protocol's word for why the model stopped. A model that still wanted tools of the server was
/// cut off.
pub(super) fn finish_reason(finished: &RunFinished, has_calls: bool) -> &'static str {
    match (finished.status, finished.finish_reason.as_deref()) {
        (RunStatus::ToolLimit, _) | (_, Some("length")) => "length",
        (_, Some("content_filter")) => "content_filter",
        _ if has_calls => "tool_calls",
        _ => "stop",
    }
}
