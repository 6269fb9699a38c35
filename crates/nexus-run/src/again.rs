//! A stored question that is asked again: what it was, what came of it, and what came before it.
//! The orchestrator calls it.

use nexus_core::{Member, Message, MessageId, Role, RunId};
use nexus_store::Store;
use serde_json::Value;

use crate::error::RunError;

/// How many messages are read at once.
const PAGE: u32 = 100;
/// How many pages are read of a run, and of what came before it.
const PAGES: usize = 10;

/// A run whose question is stored.
#[derive(Debug)]
pub(crate) struct StoredQuestion {
    pub(crate) question: Message,
    /// What else is stored of the run, newest first.
    pub(crate) rest: Vec<Message>,
}

/// Finds a run of its owner.
///
/// # Errors
/// When it is not there.
pub(crate) async fn find(
    store: &dyn Store,
    owner: &Member,
    run: &RunId,
) -> Result<StoredQuestion, RunError> {
    let (mut rest, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = store.run_messages(owner, run, PAGE, cursor).await?;
        for message in page.messages {
            if message.role == Role::Human {
                let question = message;
                return Ok(StoredQuestion { question, rest });
            }
            rest.push(message);
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Err(RunError::RunNotFound)
}

impl StoredQuestion {
    /// Whether there is an answer that a model had finished. One that broke off or still wanted
    /// tools is none.
    pub(crate) fn is_answered(&self) -> bool {
        let mut answers = self.rest.iter().filter(|it| it.role == Role::Ai);
        answers.any(|answer| {
            let facts = answer.metadata.to_map();
            let wants_tools = |calls: &Value| calls.as_array().is_some_and(|it| !it.is_empty());
            !facts.contains_key("interrupted") && !facts.get("tool_calls").is_some_and(wants_tools)
        })
    }

    /// What a new answer replaces.
    pub(crate) fn replaced(&self) -> Vec<MessageId> {
        self.rest.iter().map(|it| it.id.clone()).collect()
    }

    /// What a model is shown of the past: the newest `limit` messages of people and models with any
    /// text before the question, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn history(
        self,
        store: &dyn Store,
        owner: &Member,
        limit: u32,
    ) -> Result<Vec<Message>, RunError> {
        let limit = limit as usize;
        let mut older = store.place(owner, &self.question).await?;
        let run = self.question.run_id;
        let is_shown = |message: &Message| {
            matches!(message.role, Role::Human | Role::Ai)
                && !message.content.is_empty()
                && message.run_id != run
        };
        let mut history = Vec::new();
        for _ in 0..PAGES {
            let Some(cursor) = older.filter(|_| history.len() < limit) else {
                break;
            };
            let page = store.messages(owner, PAGE, Some(cursor)).await?;
            history.extend(page.messages.into_iter().filter(is_shown));
            older = page.next;
        }
        history.truncate(limit);
        history.reverse();
        Ok(history)
    }
}
