//! The events of a run as the events of the newer interface.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use nexus_core::RunEvent;
use nexus_core::event::{Channel, RunFinished, RunStarted};
use serde_json::{Value, json};

use super::answer::{Answer, Item, Status, part};
use crate::ApiError;
use crate::sse::View;

/// What a program sees of a run.
#[derive(Debug, Default)]
pub(super) struct Events {
    answer: Answer,
    /// The number of the next event.
    next: u64,
    /// Whether the last item is a message to which words are still added.
    is_open: bool,
    error: Option<Value>,
}

impl Events {
    /// `created` is in seconds since 1970.
    pub(super) fn new(created: i64) -> Self {
        Self {
            answer: Answer {
                created,
                ..Answer::default()
            },
            ..Self::default()
        }
    }

    /// Waits for the end, and gives the answer in one piece.
    ///
    /// # Errors
    /// When the run failed, also in the middle: half an answer is none.
    pub(super) async fn collect(
        mut self,
        events: impl Stream<Item = RunEvent>,
    ) -> Result<Bytes, ApiError> {
        let mut events = std::pin::pin!(events);
        let (mut failure, mut end) = (None, None);
        let mut unseen = BytesMut::new();
        while let Some(event) = events.next().await {
            self.write(&event, &mut unseen);
            unseen.clear();
            match event {
                RunEvent::Error { .. } => failure = Some(ApiError::from(event)),
                RunEvent::RunFinished(finished) => end = Some(finished),
                _ => {}
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        let finished = end.ok_or_else(ApiError::unexplained)?;
        if Status::of(&finished) == Status::Failed {
            return Err(ApiError::interrupted());
        }
        let answer = self.answer.to_json(Some(&finished), None);
        Ok(answer.to_string().into())
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

    fn started(&mut self, started: &RunStarted, out: &mut BytesMut) {
        let run = started.run_id.as_str();
        let name = run.strip_prefix("run_").unwrap_or(run);
        self.answer.id = format!("resp_{name}");
        self.answer.model = started.model.as_deref().map(str::to_owned);
        self.answer.explanation = started.explanation.is_some().then(|| json!(started));
        for name in ["response.created", "response.in_progress"] {
            let response = self.answer.to_json(None, None);
            self.event(out, name, json!({ "response": response }));
        }
    }

    /// A name for the next item.
    fn item_id(&self, kind: &str) -> String {
        let name = self.answer.id.trim_start_matches("resp_");
        format!("{kind}_{name}_{}", self.answer.items.len())
    }

    fn say(&mut self, words: &str, out: &mut BytesMut) {
        if !self.is_open {
            let id = self.item_id("msg");
            let place = self.answer.items.len();
            let item = json!({
                "type": "message", "id": id, "status": "in_progress", "role": "assistant", "content": [],
            });
            let added = json!({ "output_index": place, "item": item });
            self.event(out, "response.output_item.added", added);
            let added = json!({
                "item_id": id, "output_index": place, "content_index": 0, "part": part(""),
            });
            self.event(out, "response.content_part.added", added);
            let text = String::new();
            self.answer.items.push(Item::Message { id, text });
            self.is_open = true;
        }
        let place = self.answer.items.len() - 1;
        if let Some(Item::Message { id, text }) = self.answer.items.last_mut() {
            text.push_str(words);
            let delta = json!({
                "item_id": id, "output_index": place, "content_index": 0, "delta": words, "logprobs": [],
            });
            self.event(out, "response.output_text.delta", delta);
        }
    }

    /// No more words are added to the message.
    fn close(&mut self, out: &mut BytesMut) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let place = self.answer.items.len() - 1;
        let Some(item @ Item::Message { id, text }) = self.answer.items.last() else {
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

    fn call(&mut self, call: [&str; 3], out: &mut BytesMut) {
        self.close(out);
        let [call_id, name, arguments] = call.map(str::to_owned);
        let id = self.item_id("fc");
        let place = self.answer.items.len();
        let item = Item::Call {
            id: id.clone(),
            call_id,
            name,
            arguments: arguments.clone(),
        };
        let mut begun = item.to_json();
        begun["status"] = "in_progress".into();
        begun["arguments"] = "".into();
        let added = json!({ "output_index": place, "item": begun });
        self.event(out, "response.output_item.added", added);
        let delta = json!({ "item_id": id, "output_index": place, "delta": arguments });
        self.event(out, "response.function_call_arguments.delta", delta);
        let done = json!({ "item_id": id, "output_index": place, "arguments": arguments });
        self.event(out, "response.function_call_arguments.done", done);
        let done = json!({ "output_index": place, "item": item.to_json() });
        self.event(out, "response.output_item.done", done);
        self.answer.items.push(item);
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
        match event {
            RunEvent::RunStarted(started) => self.started(started, out),
            RunEvent::Fallback(fallback) => self.answer.model = Some(fallback.model.to_string()),
            RunEvent::TextChunk { chunk, channel } => match channel {
                Channel::Answer | Channel::Guidance => self.say(chunk, out),
                // The interface shows summaries of it only, which nobody made.
                Channel::Reasoning => {}
            },
            RunEvent::ClientToolCall {
                call_id,
                tool_name,
                arguments,
            } => self.call([call_id, tool_name, arguments], out),
            RunEvent::Error { code, message, .. } => {
                self.error = Some(json!({ "code": code, "message": message }));
            }
            RunEvent::RunFinished(finished) => self.finished(finished, out),
            RunEvent::Verbatim(_)
            | RunEvent::ToolCallStarted { .. }
            | RunEvent::ToolCallFinished { .. } => {}
        }
    }
}
