//! Calls of tools and their results: every provider refuses the one without the other.

use std::collections::HashSet;

use nexus_llm::{ChatMessage, ToolCall};

/// What the model is told where a call was never answered.
const NO_RESULT: &str = "(There is no result.)";

/// The messages of an API client with a result for every call, and without results whose calls are
/// not there.
pub(super) fn settled(messages: &[ChatMessage]) -> Vec<ChatMessage> {
    let mut settled = Vec::with_capacity(messages.len());
    // The calls of the last answer, in order, and which of them have no result yet.
    let (mut calls, mut open): (&[ToolCall], HashSet<&str>) = (&[], HashSet::new());
    for message in messages {
        match message.plain() {
            ChatMessage::ToolResult { call_id, .. } => {
                if !open.remove(call_id.as_str()) {
                    tracing::debug!(call_id, "a result without a call is left out");
                    continue;
                }
            }
            ChatMessage::Assistant { tool_calls, .. } => {
                settled.extend(missing(calls, &mut open));
                calls = tool_calls;
                open.extend(tool_calls.iter().map(|call| call.id.as_str()));
            }
            _ => settled.extend(missing(calls, &mut open)),
        }
        settled.push(message.clone());
    }
    settled.extend(missing(calls, &mut open));
    settled
}

/// A result for each call that has none.
fn missing(calls: &[ToolCall], open: &mut HashSet<&str>) -> Vec<ChatMessage> {
    if open.is_empty() {
        return Vec::new();
    }
    let unanswered = calls.iter().filter(|call| open.remove(call.id.as_str()));
    let result = |call: &ToolCall| ChatMessage::ToolResult {
        call_id: call.id.clone(),
        name: call.name.clone(),
        content: NO_RESULT.to_owned(),
    };
    unanswered.map(result).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn calls(ids: &[&str]) -> ChatMessage {
        let call = |id: &&str| ToolCall {
            id: (*id).to_owned(),
            name: "clock".to_owned(),
            arguments: "{}".to_owned(),
            extra: Map::new(),
        };
        ChatMessage::Assistant {
            text: String::new(),
            reasoning: String::new(),
            tool_calls: ids.iter().map(call).collect(),
        }
    }

    fn result(id: &str, content: &str) -> ChatMessage {
        ChatMessage::ToolResult {
            call_id: id.to_owned(),
            name: "clock".to_owned(),
            content: content.to_owned(),
        }
    }

    #[test]
    fn every_call_has_one_result_and_every_result_a_call() {
        let user = ChatMessage::User("and?".to_owned());
        let whole = [
            user.clone(),
            calls(&["a", "b"]),
            result("b", "1"),
            result("a", "2"),
            user.clone(),
        ];
        assert_eq!(settled(&whole), whole, "what is whole stays as it is");
        let broken = [
            result("x", "from nowhere"),
            calls(&["a", "b"]),
            result("b", "1"),
            result("b", "again"),
            user.clone(),
            result("a", "too late"),
            calls(&["a"]),
        ];
        let mended = [
            calls(&["a", "b"]),
            result("b", "1"),
            result("a", NO_RESULT),
            user,
            calls(&["a"]),
            result("a", NO_RESULT),
        ];
        assert_eq!(settled(&broken), mended);
    }
}
