//! Keeps the provider's key out of what its models say. Nobody should be told it, not even by a
//! server that repeats what it was sent.

use std::borrow::Cow;
use std::collections::VecDeque;

use nexus_core::egress::{Blotter, PinnedKey};

use crate::{Delta, ToolCall};

/// The answer and the thoughts are two texts, of which pieces come in turn.
#[derive(Debug)]
pub(super) struct Blots {
    key: PinnedKey,
    text: Blotter,
    reasoning: Blotter,
}

impl Blots {
    /// `None` for a key that is too short to be searched.
    pub(super) fn new(key: &PinnedKey) -> Option<Self> {
        Some(Self {
            key: key.clone(),
            text: key.blotter()?,
            reasoning: key.blotter()?,
        })
    }

    /// What is to be handed out in place of a piece; nothing while it waits for the next one. A last
    /// piece that has to wait goes back into `ready`.
    pub(super) fn pass(&mut self, piece: Delta, ready: &mut VecDeque<Delta>) -> Option<Delta> {
        match piece {
            Delta::Text(text) => blot(&mut self.text, text).map(Delta::Text),
            Delta::Reasoning(text) => blot(&mut self.reasoning, text).map(Delta::Reasoning),
            Delta::ToolCall(call) => Some(Delta::ToolCall(self.call(call))),
            Delta::Finished(finish) => match self.end() {
                None => Some(Delta::Finished(finish)),
                Some(rest) => {
                    ready.push_front(Delta::Finished(finish));
                    Some(rest)
                }
            },
            // Frames stay apart: what is spread over several of them passes.
            Delta::Verbatim(frame) => Some(Delta::Verbatim(self.frame(frame))),
            piece @ Delta::Fallback(_) => Some(piece),
        }
    }

    /// The end of one of the texts, which was held back.
    pub(super) fn end(&mut self) -> Option<Delta> {
        let said = |rest: String| (!rest.is_empty()).then_some(rest);
        let reasoning = said(self.reasoning.end().into_owned()).map(Delta::Reasoning);
        reasoning.or_else(|| said(self.text.end().into_owned()).map(Delta::Text))
    }

    fn frame(&self, frame: String) -> String {
        match self.key.blot(&frame) {
            Cow::Borrowed(_) => frame,
            Cow::Owned(shown) => shown,
        }
    }

    /// What the provider wants back with the call stays as it is: it goes nowhere else.
    fn call(&self, call: ToolCall) -> ToolCall {
        ToolCall {
            id: self.key.blot(&call.id).into_owned(),
            name: self.key.blot(&call.name).into_owned(),
            arguments: self.arguments(&call.arguments),
            extra: call.extra,
        }
    }

    /// In JSON a character can be written in several ways, and all of them begin with a backslash.
    fn arguments(&self, arguments: &str) -> String {
        if arguments.contains('\\')
            && let Ok(mut value) = serde_json::from_str(arguments)
            && self.key.blot_json(&mut value)
        {
            return value.to_string();
        }
        self.key.blot(arguments).into_owned()
    }
}

/// A piece that has nothing of the key in it is handed on without a copy.
fn blot(blotter: &mut Blotter, mut text: String) -> Option<String> {
    let shown = match blotter.push(&text) {
        Cow::Borrowed(shown) => {
            let length = shown.len();
            text.truncate(length);
            text
        }
        Cow::Owned(shown) => shown,
    };
    (!shown.is_empty()).then_some(shown)
}
