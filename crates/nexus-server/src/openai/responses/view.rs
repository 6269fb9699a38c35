//! The events of a run as the events of the newer interface.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::Stream;
use nexus_core::RunEvent;
use nexus_core::event::{Channel, RunFinished};
use serde_json::{Value, json};

use super::answer::{Answer, Item, Status, part};
use crate::ApiError;
use crate::openai::begin::hear_out;
use crate::sse::View;

/// Waits for the end, and gives the answer in one piece. `created` is in seconds since 1970.
///
/// # Errors
/// When the run failed, also in the middle: half an answer is none.
pub(super) async fn collect(
    events: impl Stream<Item = RunEvent>,
    created: i64,
) -> Result<Bytes, ApiError> {
    let mut answer = Answer::new(created);
    let finished = hear_out(events, |event| answer.take(&event)).await?;
    if Status::of(&finished) == Status::Failed {
        return Err(ApiError::interrupted());
    }
    Ok(answer.to_json(Some(&finished), None).to_string().into())
}

/// What a program sees of a stream.
#[derive(Debug)]
pub(super) struct Events {
    answer: Answer,
    /// The number of the next event.
    next: u64,
    error: Option<Value>,
}

impl Events {
    /// `created` is in seconds since 1970.
    pub(super) fn new(created: i64) -> Self {
        Self {
            answer: Answer::new(created),
            next: 0,
            error: None,
        }
    }

    fn event(&mut self, out: &mut BytesMut, name: &str, mut payload: Value) {
        payload["type"] = name.into();
        payload["sequence_number"] = self.next.into();
        self.next += 1;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        if let Err(error) = serde_json::to_writer(out.writer(), &payload) {
            unreachable!("events are made of texts, numbers and JSON: {error}");
        }
        out.extend_from_slice(b"\n\n");
    }

    fn started(&mut self, out: &mut BytesMut) {
        for name in ["response.created", "response.in_progress"] {
            let response = self.answer.to_json(None, None);
            self.event(out, name, json!({ "response": response }));
        }
    }

    /// `is_new`: these words begin the message.
    fn said(&mut self, words: &str, is_new: bool, out: &mut BytesMut) {
        let Some((place, Item::Message { id, .. })) = self.answer.newest() else {
            return;
        };
        let id = id.clone();
        if is_new {
            let item = json!({
                "type": "message", "id": id, "status": "in_progress", "role": "assistant", "content": [],
            });
            let added = json!({ "output_index": place, "item": item });
            self.event(out, "response.output_item.added", added);
            let added = json!({
                "item_id": id, "output_index": place, "content_index": 0, "part": part(""),
            });
            self.event(out, "response.content_part.added", added);
        }
        let delta = json!({
            "item_id": id, "output_index": place, "content_index": 0, "delta": words, "logprobs": [],
        });
        self.event(out, "response.output_text.delta", delta);
    }

    /// Nothing more is added to the newest item. Of a call, that was said when it came.
    fn close(&mut self, out: &mut BytesMut) {
        let Some((place, item @ Item::Message { id, text })) = self.answer.newest() else {
            return;
        };
        let at = json!({ "item_id": id, "output_index": place, "content_index": 0 });
        let (mut said, mut done) = (at.clone(), at);
        said["text"] = text.as_str().into();
        said["logprobs"] = json!([]);
        done["part"] = part(text);
        let item = json!({ "output_index": place, "item": item.to_json() });
        self.event(out, "response.output_text.done", said);
        self.event(out, "response.content_part.done", done);
        self.event(out, "response.output_item.done", item);
    }

    fn called(&mut self, out: &mut BytesMut) {
        let Some((place, item @ Item::Call { id, arguments, .. })) = self.answer.newest() else {
            return;
        };
        let whole = item.to_json();
        let delta = json!({ "item_id": id, "output_index": place, "delta": arguments });
        let said = json!({ "item_id": id, "output_index": place, "arguments": arguments });
        let mut begun = whole.clone();
        begun["status"] = "in_progress".into();
        begun["arguments"] = "".into();
        let added = json!({ "output_index": place, "item": begun });
        self.event(out, "response.output_item.added", added);
        self.event(out, "response.function_call_arguments.delta", delta);
        self.event(out, "response.function_call_arguments.done", said);
        let done = json!({ "output_index": place, "item": whole });
        self.event(out, "response.output_item.done", done);
    }

    fn finished(&mut self, finished: &RunFinished, out: &mut BytesMut) {
        self.close(out);
        let response = self.answer.to_json(Some(finished), self.error.as_ref());
        let name = Status::of(finished).event();
        self.event(out, name, json!({ "response": response }));
    }
}

impl View for Events {
    fn write(&mut self, event: &RunEvent, out: &mut BytesMut) {
        let is_saying = matches!(self.answer.newest(), Some((_, Item::Message { .. })));
        if let RunEvent::ClientToolCall { .. } = event {
            self.close(out);
        }
        self.answer.take(event);
        match event {
            RunEvent::RunStarted(_) => self.started(out),
            RunEvent::TextChunk {
                chunk,
                channel: Channel::Answer | Channel::Guidance,
            } => self.said(chunk, !is_saying, out),
            RunEvent::ClientToolCall { .. } => self.called(out),
            RunEvent::Error { code, message, .. } => {
                self.error = Some(json!({ "code": code, "message": message }));
            }
            RunEvent::RunFinished(finished) => self.finished(finished, out),
            _ => {}
        }
    }
}
