//! What a model may call, and the limits of one run.

mod current_time;
mod mcp;
mod toolbox;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use nexus_core::event::{RunEvent, ToolStatus};
use nexus_core::{Message, MessageId, Metadata, Role, Timestamp, text};
use nexus_llm::{ToolCall, ToolSpec};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::context::{RunContext, StopCause};
use crate::stream::Emitter;

pub use current_time::CurrentTime;
pub use mcp::McpTools;
pub use toolbox::{Away, Offered, Source, SourceKind, SourceTool, ToolBox, ToolServers};

/// How long a tool may take that does not say otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a run with tools may take, from its beginning.
const RUN_TIMEOUT: Duration = Duration::from_mins(2);
/// How many calls of one turn are carried out; the model is told about the rest.
const MAX_CALLS: usize = 8;
/// How often a run may call the same tool with the same arguments.
const MAX_REPEATS: usize = 3;
/// How much of a result the model is shown, in bytes.
const MAX_RESULT_BYTES: usize = 16 * 1024;

/// Something that a model may call.
#[async_trait]
pub trait Tool: Send + Sync {
    /// What the model is told about it.
    fn spec(&self) -> ToolSpec;

    /// How long one call may take.
    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    /// Does it. An error is a text too: the model reads it and may try something else.
    async fn call(&self, run: &RunContext, arguments: Map<String, Value>)
    -> Result<String, String>;
}

/// The tools of one run. They stay the same through all its rounds, whatever happens to a server.
pub struct RunTools {
    tools: Vec<Arc<dyn Tool>>,
    specs: Arc<[ToolSpec]>,
    /// What was called, with the arguments as they were read.
    called: Vec<(String, Map<String, Value>)>,
    /// When a run with tools has to end.
    until: Instant,
}

impl RunTools {
    /// These tools, for a run that begins now. Of two that a model is told by the same name, the
    /// first one counts.
    #[must_use]
    pub fn new(tools: Vec<Arc<dyn Tool>>) -> Self {
        let mut specs: Vec<ToolSpec> = Vec::with_capacity(tools.len());
        let mut kept = Vec::with_capacity(tools.len());
        for tool in tools {
            let spec = tool.spec();
            if specs.iter().any(|other| other.name == spec.name) {
                tracing::warn!(
                    tool = spec.name,
                    "two tools have the same name: one is left out"
                );
                continue;
            }
            specs.push(spec);
            kept.push(tool);
        }
        Self {
            tools: kept,
            specs: specs.into(),
            called: Vec::new(),
            until: Instant::now() + RUN_TIMEOUT,
        }
    }

    /// What the model is told about them.
    #[must_use]
    pub fn specs(&self) -> Arc<[ToolSpec]> {
        Arc::clone(&self.specs)
    }

    /// When the run has to end. `None` as long as it has called nothing.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (!self.called.is_empty()).then_some(self.until)
    }

    /// Carries out the calls of one turn at the same time. The results are in the order of the
    /// calls, and every call gets one.
    pub async fn call_all(
        &mut self,
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
        let admitted: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(place, call)| self.admit(place, call))
            .collect();
        let span = tracing::debug_span!("tools.requests", calls = calls.len());
        let outcomes = admitted
            .into_iter()
            .map(|admitted| outcome(run, self.until, admitted));
        let outcomes = join_all(outcomes).instrument(span).await;
        let results: Vec<_> = calls
            .iter()
            .zip(outcomes)
            .map(|(call, outcome)| ToolResult::new(call, outcome))
            .collect();
        for result in &results {
            events.emit(result.to_event()).await;
        }
        results
    }

    /// Decides whether a call is carried out.
    fn admit(&mut self, place: usize, call: &ToolCall) -> Result<Admitted, String> {
        if place >= MAX_CALLS {
            return Err(format!("not called: at most {MAX_CALLS} calls in one turn"));
        }
        let mut pairs = self.specs.iter().zip(&self.tools);
        let tool = pairs.find_map(|(spec, tool)| (spec.name == call.name).then_some(tool));
        let tool = tool.ok_or_else(|| format!("there is no tool named {:?}", call.name));
        let text = Some(call.arguments.trim()).filter(|text| !text.is_empty());
        let arguments = serde_json::from_str::<Map<String, Value>>(text.unwrap_or("{}"))
            .map_err(|error| format!("the arguments are not a JSON object: {error}"));
        let read = tool.cloned().and_then(|tool| Ok((tool, arguments?)));
        // A call that failed counts too: it ends the time without limit.
        let known = read.as_ref().map(|(_, arguments)| arguments.clone());
        let key = (call.name.clone(), known.unwrap_or_default());
        let before = self.called.iter().filter(|called| **called == key).count();
        self.called.push(key);
        let (tool, arguments) = read?;
        if before >= MAX_REPEATS {
            return Err(format!(
                "not called: this was called {MAX_REPEATS} times with the same arguments already"
            ));
        }
        Ok(Admitted { tool, arguments })
    }
}

/// A call that is carried out.
struct Admitted {
    tool: Arc<dyn Tool>,
    arguments: Map<String, Value>,
}

async fn outcome(
    run: &RunContext,
    until: Instant,
    admitted: Result<Admitted, String>,
) -> Result<String, String> {
    let Admitted { tool, arguments } = admitted?;
    let limit = tool.timeout();
    let at = Instant::now() + limit;
    let answer = tool.call(run, arguments);
    tokio::select! {
        biased;
        cause = run.stopped() => Err(match cause {
            StopCause::Cancelled => "the person stopped the answer".to_owned(),
            StopCause::Shutdown => "the server stops".to_owned(),
        }),
        answer = tokio::time::timeout_at(at.min(until), answer) => match answer {
            Ok(answer) => answer,
            Err(_) if until < at => {
                Err(format!("a run with tools may take {} seconds", RUN_TIMEOUT.as_secs()))
            }
            Err(_) => Err(format!("no answer within {} seconds", limit.as_secs())),
        },
    }
}

fn shorten(content: &mut String) {
    if content.len() > MAX_RESULT_BYTES {
        content.truncate(content.floor_char_boundary(MAX_RESULT_BYTES));
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
    fn new(call: &ToolCall, outcome: Result<String, String>) -> Self {
        let (status, mut content) = match outcome {
            Ok(content) => (ToolStatus::Success, content),
            Err(reason) => (ToolStatus::Error, format!("error: {reason}")),
        };
        text::clean_and_note(&mut content);
        shorten(&mut content);
        Self {
            call_id: call.id.clone(),
            tool_name: call.name.clone(),
            status,
            content,
        }
    }

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
