//! What a model is asked, and how it is made shorter: the oldest turns of the history go first. The
//! system text, the question and what its tools said always stay.

use std::ops::Range;
use std::sync::Arc;

use nexus_llm::{ChatMessage, ChatRequest, tokens};

use super::history::Turn;
use crate::generate::Reply;
use crate::tools::ToolResult;

/// A request, and where the history stands in it.
#[derive(Debug)]
pub struct Prompt {
    request: Arc<ChatRequest>,
    /// Two messages a turn.
    history: Range<usize>,
    /// A number for each turn, always the same for the same turn.
    marks: Vec<u64>,
}

impl Prompt {
    /// Puts `turns` between what the request begins with, and `rest`.
    pub(super) fn new(
        mut request: ChatRequest,
        turns: Vec<Turn>,
        rest: impl IntoIterator<Item = ChatMessage>,
    ) -> Self {
        let start = request.messages.len();
        let marks = turns.iter().map(|turn| turn.mark).collect();
        for turn in turns {
            request.messages.push(ChatMessage::User(turn.question));
            request.messages.push(ChatMessage::Assistant {
                text: turn.answer,
                reasoning: String::new(),
                tool_calls: Vec::new(),
            });
        }
        let history = start..request.messages.len();
        request.messages.extend(rest);
        Self {
            request: Arc::new(request),
            history,
            marks,
        }
    }

    /// The request as it is now.
    #[must_use]
    pub const fn request(&self) -> &Arc<ChatRequest> {
        &self.request
    }

    /// Whether there is anything that may be left out.
    #[must_use]
    pub const fn has_history(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Leaves out the oldest turns until at most so many tokens are sent. Gives how many messages
    /// were left out.
    pub fn fit(&mut self, room: u64) -> usize {
        if !self.has_history() {
            return 0;
        }
        let sizes = self.turn_sizes();
        let all = tokens::of_request(&self.request);
        let fixed = all.saturating_sub(sizes.iter().sum());
        self.keep(&sizes, room.saturating_sub(fixed))
    }

    /// Leaves out at least half of the history. Gives how many messages were left out.
    pub fn halve(&mut self) -> usize {
        let sizes = self.turn_sizes();
        let all: u64 = sizes.iter().sum();
        self.keep(&sizes, all / 2)
    }

    /// How many tokens are sent with half of the history.
    #[must_use]
    pub fn tokens_with_half(&self) -> u64 {
        let history: u64 = self.turn_sizes().iter().sum();
        tokens::of_request(&self.request).saturating_sub(history.div_ceil(2))
    }

    fn turn_sizes(&self) -> Vec<u64> {
        let turns = self.request.messages[self.history.clone()].chunks(2);
        let size = |message| tokens::of_message(&self.request, message);
        turns.map(|turn| turn.iter().map(size).sum()).collect()
    }

    /// Keeps the newest turns that have room. So that the beginning stays the same from question to
    /// question and providers can cache it, up to a quarter of them goes too: the first one that is
    /// kept is the one with the smallest mark of that quarter, and stays the first until it has no
    /// room or a smaller mark comes.
    fn keep(&mut self, sizes: &[u64], room: u64) -> usize {
        let mut left = room;
        let fits = |size: &&u64| match left.checked_sub(**size) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        let kept = sizes.iter().rev().take_while(fits).count();
        if kept == sizes.len() {
            return 0;
        }
        let first = sizes.len() - kept;
        let first = (first..=first + kept / 4)
            .min_by_key(|place| self.marks.get(*place))
            .unwrap_or(first)
            .min(sizes.len());
        self.marks.drain(..first);
        let messages = 2 * first;
        let start = self.history.start;
        let request = Arc::make_mut(&mut self.request);
        request.messages.drain(start..start + messages);
        self.history.end -= messages;
        messages
    }

    /// Joins neighbours of one role, for providers that want roles to alternate. Gives whether
    /// there were any.
    pub fn join_neighbours(&mut self) -> bool {
        let before = self.request.messages.len();
        let request = Arc::make_mut(&mut self.request);
        let mut messages: Vec<ChatMessage> = Vec::with_capacity(before);
        for message in std::mem::take(&mut request.messages) {
            if !messages.last_mut().is_some_and(|it| absorbs(it, &message)) {
                messages.push(message);
            }
        }
        let is_shorter = messages.len() < before;
        request.messages = messages;
        if is_shorter {
            // What was history may be a part of something else now.
            self.marks.clear();
        }
        is_shorter
    }

    /// Adds what the model said and what its tools answered: the next round of the same turn. It
    /// goes to whoever answered, because nobody else knows the calls.
    pub fn add_round(&mut self, reply: Reply, results: Vec<ToolResult>) {
        let request = Arc::make_mut(&mut self.request);
        request.fall_back(&reply.model.name);
        request.messages.push(ChatMessage::Assistant {
            text: reply.text,
            reasoning: reply.reasoning,
            tool_calls: reply.tool_calls,
        });
        let results = results.into_iter().map(|result| ChatMessage::ToolResult {
            call_id: result.call_id,
            name: result.tool_name,
            content: result.content,
        });
        request.messages.extend(results);
    }
}

/// Adds `next` to `message` where both are words of one role. Gives whether they are.
fn absorbs(message: &mut ChatMessage, next: &ChatMessage) -> bool {
    if !is_words(message) || !is_words(next) {
        return false;
    }
    let next = match (message.plain(), next.plain()) {
        (ChatMessage::User(_), ChatMessage::User(next)) => next,
        (ChatMessage::Assistant { .. }, ChatMessage::Assistant { text, .. }) => text,
        _ => return false,
    };
    if let ChatMessage::Client(_) = message {
        *message = message.plain().clone();
    }
    if let ChatMessage::User(text) | ChatMessage::Assistant { text, .. } = message {
        text.push_str("\n\n");
        text.push_str(next);
    }
    true
}

/// Whether a message is text and nothing else.
fn is_words(message: &ChatMessage) -> bool {
    let is_text = match message {
        ChatMessage::Client(client) => client.has_one_text(),
        _ => true,
    };
    is_text
        && match message.plain() {
            ChatMessage::User(_) => true,
            ChatMessage::Assistant { tool_calls, .. } => tool_calls.is_empty(),
            _ => false,
        }
}
