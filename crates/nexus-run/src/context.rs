//! Everything that one run knows, and what the model is shown of it.

mod calls;
mod history;
mod prompt;
mod windows;

use std::collections::BTreeSet;
use std::sync::Arc;

use nexus_core::catalog::Endpoint;
use nexus_core::event::RunStarted;
use nexus_core::policy::Refusal;
use nexus_core::profile::LayerValues;
use nexus_core::text::{self, TextError};
use nexus_core::{
    EffectiveProfile, Genesis, Member, Message, MessageId, Metadata, Model, Role, RunId, Timestamp,
};
use nexus_llm::{ChatMessage, ChatRequest, Requester, ToolSpec};
use tokio_util::sync::CancellationToken;

use self::history::History;
use crate::again::StoredQuestion;
use crate::client::{self, ClientPart, ClientTurn};
use crate::error::RunError;
use crate::generate::Reply;
use crate::orchestrator::NewRun;

pub use self::prompt::Prompt;
pub use self::windows::ContextWindows;

/// What a person asks: some text, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question(String);

/// The longest question, in bytes.
pub const MAX_QUESTION_BYTES: usize = 256 * 1024;

/// The longest question of a program, in bytes: programs send documents along.
pub const MAX_CLIENT_QUESTION_BYTES: usize = 1024 * 1024;

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

impl QuestionError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty_message",
            Self::Text(_) => "invalid_text",
        }
    }
}

impl Question {
    /// Checks a text. It is kept byte for byte.
    ///
    /// # Errors
    /// When it is empty, too long, or contains a control character.
    pub fn parse(text: String) -> Result<Self, QuestionError> {
        Self::within(text, MAX_QUESTION_BYTES)
    }

    /// The same for what a program sends in a person's name.
    ///
    /// # Errors
    /// As [`Question::parse`], with another limit.
    pub fn of_client(text: String) -> Result<Self, QuestionError> {
        Self::within(text, MAX_CLIENT_QUESTION_BYTES)
    }

    fn within(text: String, limit: usize) -> Result<Self, QuestionError> {
        if text.trim().is_empty() {
            return Err(QuestionError::Empty);
        }
        text::check(&text, limit)?;
        Ok(Self(text))
    }
}

/// What is asked, and to which past.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A question. The past is what Nexus has stored.
    Question(Question),
    /// A conversation that a program brings along.
    Client(Box<ClientTurn>),
    /// The stored question of this run, again.
    Again(RunId),
}

impl From<Question> for Ask {
    fn from(question: Question) -> Self {
        Self::Question(question)
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
    /// The question, as it is stored. `None`: nothing of it is stored.
    pub human: Option<Message>,
    /// What a program brought along. `None`: the past is the stored one, and the question is
    /// [`human`](Self::human).
    pub client: Option<ClientPart>,
    /// Whether the answer is stored.
    pub stores: bool,
    /// The models that the credential may ask. `None`: all that the person may.
    pub models: Option<BTreeSet<String>>,
    /// Whether the client wants to know where each value came from.
    pub explains: bool,
    /// Cancelled when its person, or their credential, does not want the answer any more.
    pub cancel: CancellationToken,
    /// Cancelled when the server stops.
    pub stopping: CancellationToken,
    /// What of an earlier answer to the same question is removed once this one is stored.
    pub replaces: Vec<MessageId>,
    /// Whether a mirror is shown nothing of the prompts: the credential does not reach them.
    pub hides_prompts: bool,
}

/// Why an answer is stopped early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// The person does not want it any more, or their credential is not accepted any more.
    Cancelled,
    /// The server stops.
    Shutdown,
}

impl StopCause {
    /// The stored spelling: the `interrupted` of a message's metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Shutdown => "shutdown",
        }
    }
}

impl RunContext {
    /// Merges the layers and makes the question a message. Nothing is stored yet.
    ///
    /// # Errors
    /// When the request itself asks for a value that could never take effect. What is *stored* and
    /// cannot take effect is no error: the profile carries a notice. For programs, the template
    /// says which of the two holds.
    pub fn new(
        run_id: RunId,
        new: NewRun,
        identity: Member,
        genesis: Arc<Genesis>,
        at: Timestamp,
    ) -> Result<Self, RunError> {
        let mut request = new.request;
        let (question, client, stores) = match new.ask {
            Ask::Question(question) => {
                for (field, value) in request.iter() {
                    genesis.admit(&field, &value)?;
                }
                (Some(question), None, true)
            }
            Ask::Again(_) => {
                for (field, value) in request.iter() {
                    genesis.admit(&field, &value)?;
                }
                (None, None, true)
            }
            Ask::Client(turn) => {
                client::check_settings(&genesis, &request)?;
                let stores = genesis.client_rules().store && turn.may_be_stored;
                let question = turn.question.clone().filter(|_| stores);
                (question, Some(turn.admit(&genesis, &mut request)?), stores)
            }
        };
        let layers = [
            LayerValues::identity(&identity.overrides),
            LayerValues::request(&request),
        ];
        let profile = EffectiveProfile::resolve(&genesis, &layers);
        let model = &profile.model.value;
        if let Some(client) = &client {
            client::check_model(&genesis, &request, model)?;
            client.check_carried(model)?;
        }
        if !may_ask(new.models.as_ref(), model) {
            let allowed = new.models.iter().flatten().cloned().collect();
            let found = model.name.to_string();
            return Err(Refusal::ModelNotAllowed { found, allowed }.into());
        }
        let human = question.map(|question| Message {
            id: MessageId::new(at),
            run_id: run_id.clone(),
            owner_key: identity.public_key,
            role: Role::Human,
            content: question.0,
            timestamp: at,
            metadata: Metadata::empty(),
        });
        Ok(Self {
            run_id,
            identity,
            genesis,
            profile,
            human,
            client,
            stores,
            models: new.models,
            explains: new.explains,
            cancel: new.cancel,
            stopping: CancellationToken::new(),
            replaces: Vec::new(),
            hides_prompts: false,
        })
    }

    /// Whether the program that asks carries out the calls of the model.
    #[must_use]
    pub fn client_has_tools(&self) -> bool {
        let client = self.client.as_ref();
        client.is_some_and(|client| client.form.has_tools())
    }

    /// Lets `stopping` stop this run, and all others.
    #[must_use]
    pub fn stopped_by(self, stopping: CancellationToken) -> Self {
        Self { stopping, ..self }
    }

    /// Asks a stored question again.
    pub(crate) fn asks_again(self, asked: &StoredQuestion) -> Self {
        Self {
            human: Some(asked.question.clone()),
            replaces: asked.replaced(),
            ..self
        }
    }

    /// Shows a mirror nothing of the prompts, where the credential does not reach them.
    #[must_use]
    pub fn hiding_prompts(self, hides_prompts: bool) -> Self {
        Self {
            hides_prompts,
            ..self
        }
    }

    /// Waits until the answer has to stop.
    pub async fn stopped(&self) -> StopCause {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => StopCause::Cancelled,
            () = self.stopping.cancelled() => StopCause::Shutdown,
        }
    }

    /// Whether the server has to call tools before the model goes on.
    #[must_use]
    pub fn calls_tools_of(&self, reply: &Reply) -> bool {
        reply.wants_tools() && !self.client_has_tools()
    }

    /// How many stored messages are read: more than are shown, as questions that were not answered
    /// and the half of a turn are not.
    #[must_use]
    pub fn history_to_read(&self) -> u32 {
        match self.history_size() {
            0 => 0,
            size => size + size / 2 + 1,
        }
    }

    /// How many stored messages are shown at most.
    #[must_use]
    pub fn history_size(&self) -> u32 {
        match &self.client {
            Some(client) if !client.uses_stored_history => 0,
            _ => self.profile.history_context_size.value,
        }
    }

    /// What the client is told first.
    #[must_use]
    pub fn started(&self) -> RunStarted {
        RunStarted {
            run_id: self.run_id.clone(),
            owner_key: self.identity.public_key,
            message_id: self.human.as_ref().map(|human| human.id.clone()),
            model: Some(Arc::clone(&self.profile.model.value.name)),
            template_version: Some(self.profile.template_version),
            notices: self
                .profile
                .notices
                .iter()
                .map(nexus_core::profile::Notice::to_text)
                .collect(),
            explanation: self.explains.then(|| self.profile.explain()),
        }
    }
}

fn may_ask(models: Option<&BTreeSet<String>>, model: &Model) -> bool {
    models.is_none_or(|allowed| allowed.contains(&*model.name))
}

/// What the model is shown: the joined prompts, the past, the question. Later rounds of the same
/// run add to it, so that persona and question stay through every round.
#[must_use]
pub fn build(run: &RunContext, history: Vec<Message>, tools: Arc<[ToolSpec]>) -> Prompt {
    let _span = tracing::debug_span!("context.build", history = history.len()).entered();
    let profile = &run.profile;
    let client = run.client.as_ref();
    let mut messages = Vec::new();
    let marked = client.and_then(|client| client.marked(&profile.system_prompt));
    let system = marked.map_or_else(|| Arc::clone(&profile.system_prompt), Arc::from);
    let is_mirror = matches!(profile.model.value.provider.endpoint, Endpoint::Builtin);
    let is_hidden = run.hides_prompts && is_mirror;
    if !system.is_empty() && !is_hidden {
        messages.push(ChatMessage::System(system));
    }
    let said = match client {
        Some(client) => calls::settled(client.said()),
        None => {
            let human = run.human.iter();
            human
                .map(|it| ChatMessage::User(it.content.clone()))
                .collect()
        }
    };
    let mut past = History::new(history, &run.genesis, &profile.model.value);
    let continues = client.is_some_and(|it| it.uses_stored_history) && !begins_with_person(&said);
    let open = continues.then(|| past.take_open_question()).flatten();
    let fallbacks = profile.fallbacks(&run.genesis).filter(|fallback| {
        let is_carried = |client: &ClientPart| client.check_carried(&fallback.model).is_ok();
        may_ask(run.models.as_ref(), &fallback.model) && client.is_none_or(is_carried)
    });
    let request = ChatRequest {
        model: Arc::clone(&profile.model.value),
        messages,
        temperature: profile.temperature.value,
        max_tokens: profile.max_tokens.value,
        fallbacks: fallbacks.collect(),
        is_for_client_only: tools.is_empty(),
        requester: Requester::of(&run.identity.public_key),
        tools: match client {
            Some(client) if client.form.has_tools() => Arc::clone(&client.form.tools),
            _ => tools,
        },
        client: client.map(|client| Arc::clone(&client.form)),
    };
    let rest = open.map(ChatMessage::User).into_iter().chain(said);
    Prompt::new(request, past.shown(run.history_size()), rest)
}

fn begins_with_person(said: &[ChatMessage]) -> bool {
    let first = said.first().map(ChatMessage::plain);
    matches!(
        first,
        Some(ChatMessage::User(_) | ChatMessage::UserParts(_))
    )
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
