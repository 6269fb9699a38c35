//! A model without a connection that replays a script, for what is tested above the seam.
//!
//! ```
//! # use nexus_test_support::model::{ScriptedModel, Turn};
//! let model = ScriptedModel::new([
//!     Turn::new().text("Let me look. ").tool_call("call_1", "clock", "{}"),
//!     Turn::new().text("It is noon."),
//! ]);
//! ```

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, BoxStream, StreamExt};
use nexus_core::Model;
use nexus_core::catalog::{DefaultParams, Provider};
use nexus_core::event::Usage;
use nexus_llm::{
    ChatMessage, ChatRequest, Delta, Finish, FinishReason, LanguageModel, LlmError, Requester,
    RetryHint, ToolCall,
};
use serde_json::Map;
use tokio::sync::Semaphore;

/// A model that streams, of which the catalog says nothing but its id, which is its name too.
#[must_use]
pub fn model(provider: Arc<Provider>, id: &str) -> Model {
    Model {
        name: id.into(),
        id: id.into(),
        aliases: Vec::new(),
        provider,
        default_params: DefaultParams::default(),
        streams: true,
        reasons: false,
        fallbacks: Vec::new(),
        price: None,
        context_length: None,
        max_output_tokens: None,
    }
}

/// A request with one message of a person.
#[must_use]
pub fn asking(model: impl Into<Arc<Model>>, text: &str) -> ChatRequest {
    ChatRequest {
        model: model.into(),
        messages: vec![ChatMessage::User(text.to_owned())],
        temperature: None,
        max_tokens: None,
        tools: Arc::new([]),
        fallbacks: Vec::new(),
        client: None,
        is_for_client_only: false,
        requester: Requester::default(),
    }
}

/// Answers each request with the next turn of its script, and keeps what it was asked. Clones
/// share the script.
#[derive(Clone, Debug, Default)]
pub struct ScriptedModel {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    turns: Mutex<VecDeque<Turn>>,
    requests: Mutex<Vec<Arc<ChatRequest>>>,
    abandoned: AtomicUsize,
}

/// What a [`ScriptedModel`] answers to one request.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    steps: VecDeque<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Say(Result<Delta, LlmError>),
    Wait(Gate),
}

/// Holds a turn at one place until it is opened.
#[derive(Clone, Debug)]
pub struct Gate {
    reached: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl ScriptedModel {
    /// A model that answers with these turns, in this order. A request beyond the last one fails.
    pub fn new(turns: impl IntoIterator<Item = impl Into<Turn>>) -> Self {
        let model = Self::default();
        model
            .inner
            .turns
            .lock()
            .unwrap()
            .extend(turns.into_iter().map(Into::into));
        model
    }

    /// Adds a turn to the end of the script.
    pub fn push(&self, turn: impl Into<Turn>) {
        self.inner.turns.lock().unwrap().push_back(turn.into());
    }

    /// What it was asked so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<ChatRequest>> {
        self.inner.requests.lock().unwrap().clone()
    }

    /// How many of its answers were dropped before their end.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.inner.abandoned.load(Ordering::SeqCst)
    }
}

impl LanguageModel for ScriptedModel {
    fn stream(&self, request: Arc<ChatRequest>) -> BoxStream<'static, Result<Delta, LlmError>> {
        let number = {
            let mut requests = self.inner.requests.lock().unwrap();
            requests.push(request);
            requests.len()
        };
        let turn = self
            .inner
            .turns
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| {
                let message = format!("the script has no turn for request {number}");
                let provider = "scripted".to_owned();
                Turn::new().error(LlmError::Failed {
                    provider,
                    status: 500,
                    message,
                    hint: RetryHint::default(),
                })
            });
        let playing = Playing {
            steps: turn.completed(),
            inner: Arc::clone(&self.inner),
        };
        stream::unfold(playing, async |mut playing| {
            loop {
                match playing.steps.front()?.clone() {
                    Step::Wait(gate) => gate.pass().await,
                    Step::Say(piece) => {
                        playing.steps.pop_front();
                        return Some((piece, playing));
                    }
                }
                playing.steps.pop_front();
            }
        })
        .boxed()
    }
}

impl Turn {
    /// A turn in which nothing has been said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says a piece of the answer.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.delta(Delta::Text(text.into()))
    }

    /// Says a piece of what it thinks.
    #[must_use]
    pub fn reasoning(self, text: impl Into<String>) -> Self {
        self.delta(Delta::Reasoning(text.into()))
    }

    /// Asks for a tool.
    #[must_use]
    pub fn tool_call(self, id: &str, name: &str, arguments: &str) -> Self {
        self.delta(Delta::ToolCall(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            extra: Map::new(),
        }))
    }

    /// Says any piece.
    #[must_use]
    pub fn delta(self, delta: Delta) -> Self {
        self.step(Step::Say(Ok(delta)))
    }

    /// Waits until the gate is opened.
    #[must_use]
    pub fn wait(self, gate: &Gate) -> Self {
        self.step(Step::Wait(gate.clone()))
    }

    /// Fails. What comes after is not said.
    #[must_use]
    pub fn error(self, error: LlmError) -> Self {
        self.step(Step::Say(Err(error)))
    }

    /// Ends the turn with this usage. A turn that is not ended stops by itself, without usage.
    #[must_use]
    pub fn usage(self, usage: Usage) -> Self {
        let reason = self.natural_reason();
        self.delta(Delta::Finished(Finish {
            reason,
            model_id: None,
            usage: Some(usage),
        }))
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    /// The steps up to the first end, with an end.
    fn completed(mut self) -> VecDeque<Step> {
        let is_end = |step: &Step| matches!(step, Step::Say(Err(_) | Ok(Delta::Finished(_))));
        if let Some(end) = self.steps.iter().position(is_end) {
            self.steps.truncate(end + 1);
        } else {
            let reason = self.natural_reason();
            let finish = Finish {
                reason,
                model_id: None,
                usage: None,
            };
            self.steps.push_back(Step::Say(Ok(Delta::Finished(finish))));
        }
        self.steps
    }

    fn natural_reason(&self) -> FinishReason {
        let wants_tools = |step: &Step| matches!(step, Step::Say(Ok(Delta::ToolCall(_))));
        if self.steps.iter().any(wants_tools) {
            FinishReason::ToolCalls
        } else {
            FinishReason::Stop
        }
    }
}

impl From<Vec<Result<Delta, LlmError>>> for Turn {
    fn from(pieces: Vec<Result<Delta, LlmError>>) -> Self {
        Self {
            steps: pieces.into_iter().map(Step::Say).collect(),
        }
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self {
            reached: Arc::new(Semaphore::new(0)),
            opened: Arc::new(Semaphore::new(0)),
        }
    }

    /// Waits until a turn has come to the gate.
    pub async fn reached(&self) {
        // The semaphore is never closed, so this does not fail.
        let _ = self.reached.acquire().await;
    }

    /// Lets every turn pass, now and later.
    pub fn open(&self) {
        self.opened.add_permits(1);
    }

    async fn pass(&self) {
        self.reached.add_permits(1);
        let _ = self.opened.acquire().await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// A turn that is being said.
struct Playing {
    steps: VecDeque<Step>,
    inner: Arc<Inner>,
}

impl Drop for Playing {
    fn drop(&mut self) {
        if !self.steps.is_empty() {
            self.inner.abandoned.fetch_add(1, Ordering::SeqCst);
        }
    }
}
