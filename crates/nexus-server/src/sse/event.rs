//! An event of a run as the native contract has it.

use std::borrow::Cow;

use nexus_api::event::{ChatEvent, RunNotice, TextChunk, ToolCallFinished, ToolCallStarted};
use nexus_core::RunEvent;

/// Returns what a native client sees of an event. `None`: nothing; it is for clients of other
/// protocols.
pub(super) fn native(event: &RunEvent) -> Option<ChatEvent<'_>> {
    Some(match event {
        RunEvent::RunStarted(it) => ChatEvent::RunStarted(it.into()),
        RunEvent::TextChunk { chunk, channel } => ChatEvent::TextChunk(TextChunk {
            chunk: Cow::Borrowed(chunk),
            channel: *channel,
        }),
        RunEvent::Fallback(it) => ChatEvent::Notice(RunNotice {
            notice: it.notice.clone(),
            model: Some(it.model.to_string()),
        }),
        RunEvent::Notice(notice) => ChatEvent::Notice(RunNotice {
            notice: notice.clone(),
            model: None,
        }),
        RunEvent::ToolCallStarted {
            call_id,
            tool_name,
            args,
        } => ChatEvent::ToolCallStarted(ToolCallStarted {
            call_id: Cow::Borrowed(call_id),
            tool_name: Cow::Borrowed(tool_name),
            args: Cow::Borrowed(args),
        }),
        RunEvent::ToolCallFinished {
            call_id,
            tool_name,
            status,
            result,
        } => ChatEvent::ToolCallFinished(ToolCallFinished {
            call_id: Cow::Borrowed(call_id),
            tool_name: Cow::Borrowed(tool_name),
            status: *status,
            result: Cow::Borrowed(result),
        }),
        RunEvent::Error { .. } => ChatEvent::Error(event.failure()?),
        RunEvent::RunFinished(it) => ChatEvent::RunFinished(it.into()),
        RunEvent::Verbatim(_) | RunEvent::ClientToolCall { .. } => return None,
    })
}
