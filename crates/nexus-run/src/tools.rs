//! What a model may call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use nexus_core::event::{RunEvent, ToolStatus};
use nexus_core::{Message, MessageId, Metadata, Role, Timestamp};
use nexus_llm::{ToolCall, ToolSpec};
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use crate::context::RunContext;
use crate::stream::Emitter;

/// How long a tool may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How many calls of one turn are carried out; the model is told about the rest.
const MAX_CALLS: usize = 8;
/// How much of a result the model is shown, in bytes.
const MAX_RESULT_BYTES: usize = 16 * 1024;

/// Something that a model may call.
#[async_trait]
pub trait Tool: Send + Sync {
    /// What the model is told about it.
    fn spec(&self) -> ToolSpec;

    /// Does it. An error is a text too: the model reads it and may try something else.
    async fn call(&self, run: &RunContext, arguments: Map<String, Value>)
    -> Result<String, String>;
}

/// The tools of this server.
#[derive(Clone)]
pub struct ToolBox {
    tools: Arc<[Arc<dyn Tool>]>,
    specs: Arc<[ToolSpec]>,
}

impl ToolBox {
    /// A box with these tools.
    #[must_use]
    pub fn new(tools: Vec<Arc<dyn Tool>>) -> Self {
        Self {
            specs: tools.iter().map(|tool| tool.spec()).collect(),
            tools: tools.into(),
        }
    }

    /// What models are told about them.
    #[must_use]
    pub fn specs(&self) -> Arc<[ToolSpec]> {
        Arc::clone(&self.specs)
    }

    /// Carries out the calls of one turn at the same time. The results are in the order of the
    /// calls, and every call gets one.
    pub async fn call_all(
        &self,
        run: &RunContext,
        calls: &[ToolCall],
        events: &mut Emitter,
    ) -> Vec<ToolResult> {
        for call in calls {
            let args = serde_json::from_str(&call.arguments)
                .unwrap_or_else(|_| call.arguments.as_str().into());
            let (call_id, tool_name) = (call.id.clone(), call.name.clone());
            events
                .emit(RunEvent::ToolCallStarted {
                    call_id,
                    tool_name,
                    args,
                })
                .await;
        }
        let span = tracing::debug_span!("tools.requests", calls = calls.len());
        let results = join_all(
            calls
                .iter()
                .enumerate()
                .map(|(place, call)| self.call(run, place, call)),
        )
        .instrument(span)
        .await;
        for result in &results {
            events.emit(result.to_event()).await;
        }
        results
    }

    async fn call(&self, run: &RunContext, place: usize, call: &ToolCall) -> ToolResult {
        let outcome = if place < MAX_CALLS {
            self.outcome(run, call).await
        } else {
            Err(format!("not called: at most {MAX_CALLS} calls in one turn"))
        };
        let (status, mut content) = match outcome {
            Ok(content) => (ToolStatus::Success, content),
            Err(reason) => (ToolStatus::Error, format!("error: {reason}")),
        };
        shorten(&mut content);
        ToolResult {
            call_id: call.id.clone(),
            tool_name: call.name.clone(),
            status,
            content,
        }
    }

    async fn outcome(&self, run: &RunContext, call: &ToolCall) -> Result<String, String> {
        let place = self.specs.iter().position(|spec| spec.name == call.name);
        let place = place.ok_or_else(|| format!("there is no tool named {:?}", call.name))?;
        let arguments = if call.arguments.trim().is_empty() {
            "{}"
        } else {
            &call.arguments
        };
        let arguments = serde_json::from_str(arguments)
            .map_err(|error| format!("the arguments are not a JSON object: {error}"))?;
        let answer = tokio::time::timeout(TIMEOUT, self.tools[place].call(run, arguments));
        answer
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} seconds", TIMEOUT.as_secs())))
    }
}

fn shorten(content: &mut String) {
    if content.len() > MAX_RESULT_BYTES {
        let end = (0..=MAX_RESULT_BYTES)
            .rev()
            .find(|end| content.is_char_boundary(*end))
            .unwrap_or(0);
        content.truncate(end);
        content.push_str("\n[shortened]");
    }
}

/// What became of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// Names the call.
    pub call_id: String,
    /// The tool.
    pub tool_name: String,
    /// Whether it worked.
    pub status: ToolStatus,
    /// What the model is told.
    pub content: String,
}

impl ToolResult {
    /// The stored form.
    #[must_use]
    pub fn to_message(&self, run: &RunContext, at: Timestamp) -> Message {
        let facts =
            json!({ "call_id": self.call_id, "tool_name": self.tool_name, "status": self.status });
        Message {
            id: MessageId::new(at),
            run_id: run.run_id.clone(),
            owner_key: run.identity.public_key,
            role: Role::Tool,
            content: self.content.clone(),
            timestamp: at,
            metadata: facts
                .as_object()
                .cloned()
                .map_or_else(Metadata::empty, Metadata::from),
        }
    }

    fn to_event(&self) -> RunEvent {
        RunEvent::ToolCallFinished {
            call_id: self.call_id.clone(),
            tool_name: self.tool_name.clone(),
            status: self.status,
            result: self.content.clone(),
        }
    }
}
