//! The stored past, as turns that a model can be shown: each a question of the person and what was
//! answered to it. So the two sides alternate at every provider, whatever happened to a run.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use nexus_core::catalog::Endpoint;
use nexus_core::{Genesis, Message, Model, Role, RunId};

/// What stands between the parts of an answer that was given around calls of tools.
const BETWEEN_PARTS: &str = "\n\n";

/// A question and its answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Turn {
    /// A number that is always the same for this turn.
    pub(crate) mark: u64,
    pub(crate) question: String,
    /// Empty: nothing was answered, as the run failed or was stopped.
    pub(crate) answer: String,
}

/// The newest turns, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    turns: Vec<Turn>,
}

impl History {
    /// Puts each answer to its question, also where runs overlapped. An answer whose question is
    /// not there is left out, and what a built-in model said is no past of a real one.
    pub(crate) fn new(messages: Vec<Message>, genesis: &Genesis, model: &Model) -> Self {
        let is_for_builtin = is_builtin(&model.provider.endpoint);
        let mut turns: Vec<Turn> = Vec::new();
        let mut by_run: HashMap<RunId, usize> = HashMap::new();
        for message in messages {
            match message.role {
                Role::Human => {
                    by_run.insert(message.run_id, turns.len());
                    turns.push(Turn {
                        mark: mark(message.id.as_str()),
                        question: message.content,
                        answer: String::new(),
                    });
                }
                Role::Ai if is_for_builtin || !is_of_builtin(&message, genesis) => {
                    // A client's tool rounds are runs of their own, without a question.
                    let known = by_run.get(&message.run_id).copied();
                    let Some(place) = known.or(turns.len().checked_sub(1)) else {
                        continue;
                    };
                    let answer = &mut turns[place].answer;
                    if !answer.is_empty() && !message.content.is_empty() {
                        answer.push_str(BETWEEN_PARTS);
                    }
                    answer.push_str(&message.content);
                }
                Role::Ai | Role::Tool | Role::System => {}
            }
        }
        Self { turns }
    }

    /// Takes out the newest question, which is still being worked on.
    pub(crate) fn take_open_question(&mut self) -> Option<String> {
        self.turns.pop().map(|turn| turn.question)
    }

    /// The newest answered turns, at most so many messages.
    pub(crate) fn shown(self, messages: u32) -> Vec<Turn> {
        let most = usize::try_from(messages / 2).unwrap_or(usize::MAX);
        let mut turns = self.turns;
        turns.retain(|turn| !turn.answer.trim().is_empty() && !turn.question.trim().is_empty());
        turns.drain(..turns.len().saturating_sub(most));
        turns
    }
}

/// Whether a built-in model gave this answer. The original noted no model.
fn is_of_builtin(message: &Message, genesis: &Genesis) -> bool {
    if !message.metadata.as_json().contains("\"provider\"") {
        return false;
    }
    let facts = message.metadata.to_map();
    let provider = facts.get("model").and_then(|model| model.get("provider"));
    let Some(name) = provider.and_then(|name| name.as_str()) else {
        return false;
    };
    let mut rows = genesis.providers().iter();
    match rows.find(|row| &*row.name == name) {
        Some(row) => is_builtin(&row.endpoint),
        // Of a template that is gone.
        None => name == "builtin",
    }
}

const fn is_builtin(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Builtin)
}

fn mark(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
