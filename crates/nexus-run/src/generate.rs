//! One turn with the model: its pieces go to the client as they come, and add up to a reply.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::OptionFuture;
use nexus_core::event::{AnsweredBy, Channel, Fallback, NoticeText, RunEvent, Usage};
use nexus_core::{ConfigField, Field, Message, MessageId, Model, Role, Timestamp};
use nexus_llm::{
    ChatRequest, ContextLength, Delta, Finish, LanguageModel, LengthSource, LlmError, ToolCall,
    tokens,
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

use crate::context::{ContextWindows, Prompt, RunContext, StopCause};
use crate::spent::TurnUsage;
use crate::stream::Emitter;
use crate::unanswered;

/// What fits into the shortest context that servers give their models, in tokens, with room for an
/// answer.
const SHORT: u64 = 1_024;

/// What a model said in one turn.
#[derive(Debug)]
pub struct Reply {
    /// Who was asked last: the model of the request, or the fallback that took over.
    pub model: Arc<Model>,
    /// The answer, as far as it came.
    pub text: String,
    /// What the model thought before.
    pub reasoning: String,
    /// What it wants called.
    pub tool_calls: Vec<ToolCall>,
    /// How the turn ended.
    pub ending: Ending,
    /// What it used. `None`: the model was not reached, or that is not known yet.
    pub used: Option<TurnUsage>,
}

/// How a turn ended.
#[derive(Debug)]
pub enum Ending {
    /// The model had finished.
    Finished(Finish),
    /// It was told to stop.
    Stopped(StopCause),
    /// A run with tools may not take longer.
    OutOfTime,
    /// The provider broke off.
    Broken(LlmError),
}

/// Whom a run asks, and for how long.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The model.
    pub model: &'a dyn LanguageModel,
    /// How much models can read.
    pub windows: &'a ContextWindows,
    /// The run.
    pub run: &'a RunContext,
    /// When the turn has to end.
    pub deadline: Option<Instant>,
}

/// Asks for one turn, with as much of the history as the model can read. A model that says that it
/// is still too much is asked once more with half of it. Never fails, like [`generate`].
pub async fn ask(asked: Asked<'_>, prompt: &mut Prompt, events: &mut Emitter) -> Reply {
    let Asked { run, windows, .. } = asked;
    let told = told_length(asked, prompt).await;
    if let Some(room) = windows.room(prompt.request(), told.map(|told| told.tokens)) {
        let left_out = prompt.fit(room);
        if left_out > 0 {
            events.emit(shortened(run, left_out, told)).await;
        }
    }
    let mut reply = generate(asked, prompt.request(), events).await;
    if reply.is_refused_for_its_turns() && prompt.join_neighbours() {
        reply = generate(asked, prompt.request(), events).await;
    }
    if reply.is_too_long() {
        let is_explained = windows.refused(prompt.request(), reply.named_limit());
        if prompt.has_history() {
            reply = ask_shorter(asked, prompt, (is_explained, told), events).await;
        }
    }
    if !reply.is_empty() {
        let counted = reply.usage().map(|usage| usage.input_tokens);
        let estimated = tokens::of_request(prompt.request());
        windows.answered(prompt.request(), &reply.model, estimated, counted);
    }
    reply
}

async fn ask_shorter(
    asked: Asked<'_>,
    prompt: &mut Prompt,
    (is_explained, told): (bool, Option<ContextLength>),
    events: &mut Emitter,
) -> Reply {
    let Asked { run, windows, .. } = asked;
    let mut left_out = prompt.halve();
    if let Some(room) = windows.room(prompt.request(), told.map(|told| told.tokens)) {
        left_out += prompt.fit(room);
    }
    events.emit(shortened(run, left_out, None)).await;
    let reply = generate(asked, prompt.request(), events).await;
    let request = prompt.request();
    let model = &request.model;
    if reply.is_too_long() {
        // Smaller from the first try on the next time, as far as that is about the history.
        if prompt.has_history() {
            windows.reads(request, model, prompt.tokens_with_half());
        }
    } else if !reply.is_empty() && !is_explained {
        windows.reads(request, model, tokens::of_request(request));
    }
    reply
}

/// How much the model reads, as its server says. That is asked only where it may matter: where there
/// is a history, longer than the shortest context holds, and the catalog does not say it.
async fn told_length(asked: Asked<'_>, prompt: &Prompt) -> Option<ContextLength> {
    let request = prompt.request();
    let matters = request.model.context_length.is_none()
        && prompt.has_history()
        && tokens::of_request(request) > SHORT;
    if !matters {
        return None;
    }
    tokio::select! {
        biased;
        _ = asked.run.stopped() => None,
        told = asked.model.context_length(&request.model) => told,
    }
}

fn shortened(run: &RunContext, messages: usize, told: Option<ContextLength>) -> RunEvent {
    let model = &run.profile.model.value.name;
    let reads = match told {
        Some(ContextLength {
            tokens,
            source: LengthSource::Assumed,
        }) => format!(
            "{model} is taken to read at once ({tokens} tokens, as its server does not say; \
             context_length in the catalog sets it)"
        ),
        _ => format!("{model} can read at once"),
    };
    RunEvent::Notice(NoticeText {
        code: "history_shortened".into(),
        field: Field::from(ConfigField::HistoryContextSize).to_string(),
        message: format!(
            "this conversation is longer than {reads}: the oldest {messages} of the \
             messages before your question were left out"
        ),
    })
}

/// Asks the model once. Never fails: what went wrong is in [`Reply::ending`], beside what had come.
pub async fn generate(asked: Asked<'_>, request: &Arc<ChatRequest>, events: &mut Emitter) -> Reply {
    let Asked {
        model,
        run,
        deadline,
        ..
    } = asked;
    let mut reply = Reply {
        model: Arc::clone(&request.model),
        text: String::new(),
        reasoning: String::new(),
        tool_calls: Vec::new(),
        ending: Ending::Stopped(StopCause::Cancelled),
        used: None,
    };
    let mut deltas = model.stream(Arc::clone(request));
    let mut stopped = std::pin::pin!(run.stopped());
    let mut too_late = std::pin::pin!(OptionFuture::from(deadline.map(sleep_until)));
    // What frames hold has been told with them.
    let mut passes = false;
    loop {
        let delta = tokio::select! {
            biased;
            cause = &mut stopped => {
                reply.ending = Ending::Stopped(cause);
                return reply;
            }
            Some(()) = &mut too_late, if deadline.is_some() => {
                reply.ending = Ending::OutOfTime;
                return reply;
            }
            delta = deltas.next() => delta,
        };
        match delta {
            Some(Ok(Delta::Fallback(name))) => reply.fall_back(request, &name, events).await,
            Some(Ok(Delta::Verbatim(frame))) => {
                passes = true;
                events.emit(RunEvent::Verbatim(frame)).await;
            }
            Some(Ok(Delta::Text(chunk))) => {
                reply.text.push_str(&chunk);
                if !passes {
                    events.say(chunk, Channel::Answer).await;
                }
            }
            Some(Ok(Delta::Reasoning(chunk))) => {
                reply.reasoning.push_str(&chunk);
                if !passes {
                    events.say(chunk, Channel::Reasoning).await;
                }
            }
            Some(Ok(Delta::ToolCall(call))) => {
                if !passes && run.client_has_tools() {
                    events.emit(client_call(&call)).await;
                }
                reply.tool_calls.push(call);
            }
            Some(Ok(Delta::Finished(finish))) => {
                reply.ending = Ending::Finished(finish);
                return reply;
            }
            Some(Err(error)) => {
                reply.ending = Ending::Broken(error);
                return reply;
            }
            None => {
                let provider = reply.model.provider.name.to_string();
                let reason = "it ended without saying so".to_owned();
                reply.ending = Ending::Broken(LlmError::Interrupted { provider, reason });
                return reply;
            }
        }
    }
}

/// People learn who answers, and not why: the reasons are for the log.
fn fallback_notice(asked: &Model, answers: &Model) -> RunEvent {
    let (asked, answers) = (&asked.name, &answers.name);
    let notice = NoticeText {
        code: "fallback".into(),
        field: Field::from(ConfigField::Model).to_string(),
        message: format!("{asked} cannot answer at the moment: {answers} answers in its place"),
    };
    let model = Arc::clone(answers);
    RunEvent::Fallback(Fallback { notice, model })
}

fn client_call(call: &ToolCall) -> RunEvent {
    RunEvent::ClientToolCall {
        call_id: call.id.clone(),
        tool_name: call.name.clone(),
        arguments: call.arguments.clone(),
    }
}

impl Reply {
    /// Notes who answers in place of the model, and tells it.
    async fn fall_back(&mut self, request: &ChatRequest, name: &str, events: &mut Emitter) {
        let mut fallbacks = request.fallbacks.iter();
        if let Some(fallback) = fallbacks.find(|it| &*it.model.name == name) {
            let notice = fallback_notice(&self.model, &fallback.model);
            events.emit(notice).await;
            self.model = Arc::clone(&fallback.model);
        }
    }

    /// Whether there is anything to store.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty() && self.reasoning.is_empty() && self.tool_calls.is_empty()
    }

    /// Whether the request was refused as too long.
    const fn is_too_long(&self) -> bool {
        matches!(&self.ending, Ending::Broken(LlmError::TooLong { .. })) && self.is_empty()
    }

    /// How many tokens the model can read and write, where the refusal says so.
    const fn named_limit(&self) -> Option<u64> {
        match &self.ending {
            Ending::Broken(LlmError::TooLong { limit, .. }) => *limit,
            _ => None,
        }
    }

    /// Whether the provider answered nothing because it wants roles to alternate.
    fn is_refused_for_its_turns(&self) -> bool {
        match &self.ending {
            Ending::Broken(error) => self.is_empty() && error.is_about_turns(),
            _ => false,
        }
    }

    /// Whether the model has not finished: it waits for what its tools say.
    #[must_use]
    pub const fn wants_tools(&self) -> bool {
        matches!(self.ending, Ending::Finished(_)) && !self.tool_calls.is_empty()
    }

    /// Who answered, with the id that the provider says answered, if it does.
    #[must_use]
    pub fn answered_by(&self) -> AnsweredBy {
        let model = &self.model;
        let said = match &self.ending {
            Ending::Finished(finish) => finish.model_id.as_ref(),
            Ending::Stopped(_) | Ending::OutOfTime | Ending::Broken(_) => None,
        };
        AnsweredBy {
            name: Arc::clone(&model.name),
            provider: Arc::clone(&model.provider.name),
            id: Arc::clone(said.unwrap_or(&model.id)),
        }
    }

    /// What the turn cost, when the provider said so.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        match &self.ending {
            Ending::Finished(finish) => finish.usage,
            Ending::Stopped(_) | Ending::OutOfTime | Ending::Broken(_) => None,
        }
    }

    /// The stored form. An answer that broke off is marked `interrupted`.
    #[must_use]
    pub fn to_message(&self, run: &RunContext, at: Timestamp) -> Message {
        Message {
            id: MessageId::new(at),
            run_id: run.run_id.clone(),
            owner_key: run.identity.public_key,
            role: Role::Ai,
            content: self.text.clone(),
            timestamp: at,
            metadata: self.facts(run).into(),
        }
    }

    /// What is known of it beside its text, in the words of the events of a run.
    #[must_use]
    pub fn facts(&self, run: &RunContext) -> Map<String, Value> {
        let mut facts = Map::new();
        facts.insert("model".into(), json!(self.answered_by()));
        let asked = &run.profile.model.value.name;
        if *asked != self.model.name {
            facts.insert("fallback_for".into(), json!(asked));
        }
        facts.insert(
            "template_version".into(),
            run.profile.template_version.into(),
        );
        match &self.ending {
            Ending::Finished(finish) => {
                facts.insert("finish_reason".into(), finish.reason.as_str().into());
            }
            Ending::Stopped(cause) => {
                facts.insert("interrupted".into(), cause.as_str().into());
            }
            Ending::OutOfTime => {
                facts.insert("interrupted".into(), "tool_limit".into());
            }
            Ending::Broken(error) => facts.extend(unanswered::facts(&error.clone().into())),
        }
        if let Some(used) = &self.used {
            facts.insert("usage".into(), json!(used.usage));
            if used.is_estimate {
                facts.insert("usage_estimated".into(), true.into());
            }
        }
        if !self.reasoning.is_empty() {
            facts.insert("reasoning".into(), self.reasoning.as_str().into());
        }
        if !self.tool_calls.is_empty() {
            facts.insert(
                "tool_calls".into(),
                self.tool_calls.iter().map(stored_call).collect(),
            );
        }
        facts
    }
}

fn stored_call(call: &ToolCall) -> Value {
    json!({ "id": call.id, "name": call.name, "arguments": call.arguments, "extra": call.extra })
}
