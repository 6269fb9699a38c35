//! Everything that one run knows, and what the model is shown of it.

use std::sync::Arc;

use nexus_core::event::RunStarted;
use nexus_core::policy::Refusal;
use nexus_core::profile::LayerValues;
use nexus_core::text::{self, TextError};
use nexus_core::{
    EffectiveProfile, Genesis, Member, Message, MessageId, Metadata, Role, RunId, Timestamp,
};
use nexus_llm::{ChatMessage, ChatRequest, ToolSpec};
use tokio_util::sync::CancellationToken;

use crate::generate::Reply;
use crate::orchestrator::NewRun;
use crate::tools::ToolResult;

/// What a person asks: some text, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question(String);

/// The longest question, in bytes.
pub const MAX_QUESTION_BYTES: usize = 256 * 1024;

/// Why a text is not a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// There is nothing in it.
    #[error("the message is empty: write something")]
    Empty,
    /// Free text rules refuse it.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl Question {
    /// Checks a text. It is kept byte for byte.
    ///
    /// # Errors
    /// When it is empty, too long, or contains a control character.
    pub fn parse(text: String) -> Result<Self, QuestionError> {
        if text.trim().is_empty() {
            return Err(QuestionError::Empty);
        }
        text::check(&text, MAX_QUESTION_BYTES)?;
        Ok(Self(text))
    }
}

/// Everything that one run knows. Built once, after the gate; never changed.
#[derive(Debug)]
pub struct RunContext {
    /// Names the run.
    pub run_id: RunId,
    /// Whose run it is.
    pub identity: Member,
    /// The template as it was when the run began.
    pub genesis: Arc<Genesis>,
    /// What the merge gave.
    pub profile: EffectiveProfile,
    /// The question.
    pub human: Message,
    /// Stops the answer.
    pub cancel: CancellationToken,
}

impl RunContext {
    /// Merges the layers and makes the question a message. Nothing is stored yet.
    ///
    /// # Errors
    /// When the request itself asks for a value that could never take effect. What is *stored* and
    /// cannot take effect is no error: the profile carries a notice.
    pub fn new(
        run_id: RunId,
        new: NewRun,
        identity: Member,
        genesis: Arc<Genesis>,
        at: Timestamp,
    ) -> Result<Self, Refusal> {
        for field in genesis.fields() {
            if let Some(value) = new.request.get(&field) {
                genesis.admit(&field, &value)?;
            }
        }
        let layers = [
            LayerValues::identity(&identity.overrides),
            LayerValues::request(&new.request),
        ];
        let profile = EffectiveProfile::resolve(&genesis, &layers);
        if let Some(allowed) = &new.models
            && !allowed.contains(&*profile.model.value.name)
        {
            return Err(Refusal::ModelNotAllowed {
                found: profile.model.value.name.to_string(),
                allowed: allowed.iter().cloned().collect(),
            });
        }
        let human = Message {
            id: MessageId::new(at),
            run_id: run_id.clone(),
            owner_key: identity.public_key,
            role: Role::Human,
            content: new.question.0,
            timestamp: at,
            metadata: Metadata::empty(),
        };
        Ok(Self {
            run_id,
            identity,
            genesis,
            profile,
            human,
            cancel: new.cancel,
        })
    }

    /// What the client is told first.
    #[must_use]
    pub fn started(&self) -> RunStarted {
        RunStarted {
            run_id: self.run_id.clone(),
            owner_key: self.identity.public_key,
            message_id: Some(self.human.id.clone()),
            model: Some(Arc::clone(&self.profile.model.value.name)),
            template_version: Some(self.profile.template_version),
            notices: self
                .profile
                .notices
                .iter()
                .map(nexus_core::profile::Notice::to_text)
                .collect(),
        }
    }
}

/// What the model is shown: the joined prompts, the past, the question. Later rounds of the same
/// run add to it and take nothing away, so that persona and history stay through every round.
#[must_use]
pub fn build(run: &RunContext, history: Vec<Message>, tools: Arc<[ToolSpec]>) -> ChatRequest {
    let _span = tracing::debug_span!("context.build", history = history.len()).entered();
    let profile = &run.profile;
    let mut messages = Vec::with_capacity(history.len() + 2);
    if !profile.system_prompt.is_empty() {
        messages.push(ChatMessage::System(Arc::clone(&profile.system_prompt)));
    }
    messages.extend(
        history
            .into_iter()
            .filter_map(|message| match message.role {
                Role::Human => Some(ChatMessage::User(message.content)),
                Role::Ai => Some(ChatMessage::Assistant {
                    text: message.content,
                    reasoning: String::new(),
                    tool_calls: Vec::new(),
                }),
                Role::Tool | Role::System => None,
            }),
    );
    messages.push(ChatMessage::User(run.human.content.clone()));
    ChatRequest {
        model: Arc::clone(&profile.model.value),
        messages,
        temperature: profile.temperature.value,
        max_tokens: profile.max_tokens.value,
        tools,
        fallbacks: profile.fallbacks(&run.genesis).collect(),
    }
}

/// Adds what the model said and what its tools answered: the next round of the same turn. It goes to
/// whoever answered, because nobody else knows the calls.
pub fn add_round(request: &mut ChatRequest, reply: Reply, results: Vec<ToolResult>) {
    request.fall_back(&reply.model.name);
    request.messages.push(ChatMessage::Assistant {
        text: reply.text,
        reasoning: reply.reasoning,
        tool_calls: reply.tool_calls,
    });
    request
        .messages
        .extend(results.into_iter().map(|result| ChatMessage::ToolResult {
            call_id: result.call_id,
            name: result.tool_name,
            content: result.content,
        }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_something_and_hides_nothing() {
        assert_eq!(Question::parse(" \n".into()), Err(QuestionError::Empty));
        assert!(matches!(
            Question::parse("a\u{1b}[2J".into()),
            Err(QuestionError::Text(TextError::ControlCharacter { .. }))
        ));
        assert!(Question::parse("x".repeat(MAX_QUESTION_BYTES)).is_ok());
        assert!(Question::parse("x".repeat(MAX_QUESTION_BYTES + 1)).is_err());
    }
}
