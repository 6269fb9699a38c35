//! Ids for tool calls to which a provider gave none.

use crate::{ChatMessage, ChatRequest};

/// More calls in one turn than this are a broken model or a hostile provider.
pub(crate) const CALL_LIMIT: usize = 128;

/// How ids that Nexus makes begin. A number follows that is new in the conversation.
const OWN_ID: &str = "nexus_call_";

/// Makes ids that are new in a conversation.
#[derive(Debug, Default)]
pub(crate) struct CallIds {
    last: u64,
}

impl CallIds {
    pub(crate) fn new(request: &ChatRequest) -> Self {
        let calls = request.said().flat_map(|message| match message {
            ChatMessage::Assistant { tool_calls, .. } => tool_calls.as_slice(),
            _ => &[],
        });
        let last = calls
            .filter_map(|call| call.id.strip_prefix(OWN_ID)?.parse().ok())
            .max();
        Self {
            last: last.unwrap_or_default(),
        }
    }

    pub(crate) fn next(&mut self) -> String {
        self.last = self.last.saturating_add(1);
        format!("{OWN_ID}{}", self.last)
    }
}

/// Whether Nexus made it: the provider does not know it.
pub(crate) fn is_own(id: &str) -> bool {
    id.starts_with(OWN_ID)
}

/// What is wrong with more than [`CALL_LIMIT`] calls.
pub(crate) fn too_many() -> String {
    format!("it asks for more than {CALL_LIMIT} tools at once")
}
