//! The events of a run as the chunks of a stream. Frames of a provider that speaks the protocol
//! itself pass as they are.

use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};
use nexus_api::event as api;
use nexus_core::RunEvent;
use nexus_core::event::{Channel, RunFinished, RunStarted};
use serde::Serialize;
use serde_json::{Value, json};

use super::completion::{self, finish_reason};
use super::error::{self, Failure};
use super::usage::TokenUsage;
use crate::error::status_of;
use crate::sse::View;

/// What a program sees of a stream.
#[derive(Debug)]
pub(super) struct Chunks {
    wants_usage: bool,
    /// What each chunk begins with: all up to its choices.
    opening: Vec<u8>,
    id: String,
    created: i64,
    said_role: bool,
    calls: usize,
    /// How the answer ends is told already: by the provider's own frames, or by a failure.
    end_is_told: bool,
}

impl Chunks {
    /// `created` is in seconds since 1970.
    pub(super) const fn new(wants_usage: bool, created: i64) -> Self {
        Self {
            wants_usage,
            opening: Vec::new(),
            id: String::new(),
            created,
            said_role: false,
            calls: 0,
            end_is_told: false,
        }
    }

    fn open(&mut self, model: Option<&Arc<str>>) {
        let opening = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": model,
        });
        self.opening = opening.to_string().into_bytes();
        // The choices follow.
        self.opening.pop();
    }

    /// A chunk: `choices`, then more fields.
    fn chunk(&self, out: &mut BytesMut, choices: &impl Serialize, more: Option<(&str, Value)>) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&self.opening);
        out.extend_from_slice(b",\"choices\":");
        write_json(out, choices);
        if let Some((name, value)) = more {
            out.extend_from_slice(b",");
            write_json(out, &name);
            out.extend_from_slice(b":");
            write_json(out, &value);
        }
        out.extend_from_slice(b"}\n\n");
    }

    fn delta(&mut self, out: &mut BytesMut, mut delta: Delta<'_>) {
        if !std::mem::replace(&mut self.said_role, true) {
            delta.role = Some("assistant");
        }
        self.chunk(out, &[Choice::saying(delta)], None);
    }

    fn started(&mut self, started: &RunStarted, out: &mut BytesMut) {
        self.id = completion::id(&started.run_id);
        self.open(started.model.as_ref());
        if started.explanation.is_some() {
            let nothing: [(); 0] = [];
            self.chunk(
                out,
                &nothing,
                Some(("nexus", json!(api::RunStarted::from(started)))),
            );
        }
    }

    fn finished(&mut self, finished: &RunFinished, out: &mut BytesMut) {
        if !self.end_is_told {
            let choice = Choice {
                finish_reason: Some(finish_reason(finished, self.calls > 0)),
                ..Choice::saying(Delta::default())
            };
            self.chunk(out, &[choice], None);
            if self.wants_usage {
                let usage = finished.usage.map(TokenUsage::from);
                let nothing: [(); 0] = [];
                self.chunk(out, &nothing, Some(("usage", json!(usage))));
            }
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl View for Chunks {
    fn write(&mut self, event: &RunEvent, out: &mut BytesMut) {
        match event {
            RunEvent::RunStarted(started) => self.started(started, out),
            RunEvent::Fallback(fallback) => self.open(Some(&fallback.model)),
            RunEvent::Verbatim(frame) => {
                self.end_is_told = true;
                // An event of several lines is one text with line breaks.
                for line in frame.split('\n') {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(line.as_bytes());
                    out.extend_from_slice(b"\n");
                }
                out.extend_from_slice(b"\n");
            }
            RunEvent::TextChunk { chunk, channel } => {
                let delta = match channel {
                    Channel::Answer | Channel::Guidance => Delta {
                        content: Some(chunk),
                        ..Delta::default()
                    },
                    Channel::Reasoning => Delta {
                        reasoning_content: Some(chunk),
                        ..Delta::default()
                    },
                };
                self.delta(out, delta);
            }
            RunEvent::ClientToolCall {
                call_id,
                tool_name,
                arguments,
            } => {
                let call = Call {
                    index: self.calls,
                    id: call_id,
                    r#type: "function",
                    function: Function {
                        name: tool_name,
                        arguments,
                    },
                };
                self.calls += 1;
                let delta = Delta {
                    tool_calls: Some([call]),
                    ..Delta::default()
                };
                self.delta(out, delta);
            }
            RunEvent::Error {
                code,
                kind,
                field,
                message,
                ..
            } => {
                self.end_is_told = true;
                let status = error::status(status_of(*kind), code);
                let failure = Failure::new(status, code, message.as_str(), field.as_deref());
                out.extend_from_slice(b"data: ");
                write_json(out, &json!({ "error": failure }));
                out.extend_from_slice(b"\n\n");
            }
            RunEvent::RunFinished(finished) => self.finished(finished, out),
            RunEvent::Notice(_)
            | RunEvent::ToolCallStarted { .. }
            | RunEvent::ToolCallFinished { .. } => {}
        }
    }
}

fn write_json(out: &mut BytesMut, value: &impl Serialize) {
    if let Err(error) = serde_json::to_writer(out.writer(), value) {
        unreachable!("chunks are made of texts, numbers and JSON: {error}");
    }
}

#[derive(Debug, Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

impl<'a> Choice<'a> {
    const fn saying(delta: Delta<'a>) -> Self {
        Self {
            index: 0,
            delta,
            logprobs: None,
            finish_reason: None,
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Call<'a>; 1]>,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    index: usize,
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}
