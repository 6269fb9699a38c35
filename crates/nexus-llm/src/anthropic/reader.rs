//! Events of an answer → [`Delta`]s.
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use nexus_core::event::Usage;
use serde_json::{Map, Value, json};

use super::THINKING;
use super::wire::{Block, Event, Message, Piece};
use crate::call_ids::{CALL_LIMIT, CallIds, too_many};
use crate::lenient::Object;
use crate::protocol::{Fault, Step, not_json};
use crate::report::Reported;
use crate::{ChatRequest, Delta, Finish, FinishReason, ToolCall};

/// What is known of an answer so far.
#[derive(Debug)]
pub(crate) struct Reader {
    own_ids: CallIds,
    /// The block that is being sent. The API sends one after the other.
    open: Open,
    /// Signed thoughts that no call has followed yet.
    thoughts: Vec<Value>,
    calls: Vec<ToolCall>,
    model_id: Option<Arc<str>>,
    usage: Counted,
    reason: Option<FinishReason>,
}

#[derive(Debug, Default)]
enum Open {
    /// None, or one of which nothing is kept.
    #[default]
    Nothing,
    Thinking {
        thinking: String,
        signature: String,
    },
    Call {
        id: String,
        name: String,
        /// What the block began with. It counts where no pieces follow.
        input: Value,
        arguments: String,
    },
}

/// The counts, each as it was said last: those of the input come first, those of the output grow.
#[derive(Debug, Default)]
struct Counted {
    input: Option<u64>,
    cache_write: Option<u64>,
    cache_read: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Reader {
    pub(crate) fn new(request: &ChatRequest) -> Self {
        Self {
            own_ids: CallIds::new(request),
            open: Open::Nothing,
            thoughts: Vec::new(),
            calls: Vec::new(),
            model_id: None,
            usage: Counted::default(),
            reason: None,
        }
    }

    pub(crate) fn frame(&mut self, data: &str, out: &mut VecDeque<Delta>) -> Result<Step, Fault> {
        let data = match data.trim() {
            "" => return Ok(Step::More),
            // Gateways that also speak OpenAI's protocol may end with its last word.
            "[DONE]" => return self.end(out).map(|()| Step::Done),
            data => data,
        };
        let Object(event) = serde_json::from_str(data).map_err(|error| not_json(&error))?;
        let Some(event) = event else {
            return Err(Fault::Malformed("a frame is not a JSON object".to_owned()));
        };
        self.read(event, out)
    }

    pub(crate) fn whole(&mut self, body: &str, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        let body = body.trim_start_matches('\u{FEFF}').trim();
        if body.is_empty() {
            return Err(Fault::Malformed("the answer is empty".to_owned()));
        }
        let Object(message) = serde_json::from_str(body).map_err(|error| not_json(&error))?;
        let message: Message<'_> = message.unwrap_or_default();
        if let Some(reported) = Reported::read(&message.error) {
            return Err(Fault::Reported(reported));
        }
        if message.kind.0 != "message" && message.content.0.is_empty() {
            return Err(Fault::Malformed("the answer holds no message".to_owned()));
        }
        self.read_message(message, out)?;
        self.finish(out)
    }

    pub(crate) fn end(&mut self, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        if self.has_stopped() {
            self.finish(out)
        } else {
            Err(Fault::Unfinished)
        }
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.reason.is_some()
    }

    fn read(&mut self, event: Event<'_>, out: &mut VecDeque<Delta>) -> Result<Step, Fault> {
        if let Some(reported) = Reported::read(&event.error) {
            return Err(Fault::Reported(reported));
        }
        match event.kind.0.as_ref() {
            "message_start" => self.read_message(event.message.0.unwrap_or_default(), out)?,
            "content_block_start" => {
                self.close()?;
                self.begin(event.content_block.0.unwrap_or_default(), out);
            }
            "content_block_delta" => self.add(event.delta.0.unwrap_or_default(), out),
            "content_block_stop" => self.close()?,
            "message_delta" => {
                self.close()?;
                self.note_reason(&event.delta.0.unwrap_or_default().stop_reason.0);
                self.usage.note(&event.usage);
            }
            "message_stop" => return self.finish(out).map(|()| Step::Done),
            "error" => return Err(Fault::Reported(Reported::default())),
            // `ping`, and whatever comes to be.
            _ => {}
        }
        Ok(Step::More)
    }

    fn read_message(
        &mut self,
        message: Message<'_>,
        out: &mut VecDeque<Delta>,
    ) -> Result<(), Fault> {
        if self.model_id.is_none() && !message.model.0.is_empty() {
            self.model_id = Some(Arc::from(message.model.0));
        }
        self.usage.note(&message.usage);
        for block in message.content.0 {
            self.close()?;
            self.begin(block, out);
        }
        self.close()?;
        self.note_reason(&message.stop_reason.0);
        Ok(())
    }

    fn begin(&mut self, block: Block<'_>, out: &mut VecDeque<Delta>) {
        match block.kind.0.as_ref() {
            "text" => hand_out(Delta::Text, block.text.0, out),
            "thinking" => {
                self.open = Open::Thinking {
                    thinking: block.thinking.0.clone().into_owned(),
                    signature: block.signature.0.into_owned(),
                };
                hand_out(Delta::Reasoning, block.thinking.0, out);
            }
            "redacted_thinking" => self
                .thoughts
                .push(json!({"type": "redacted_thinking", "data": block.data.0})),
            "tool_use" => {
                self.open = Open::Call {
                    id: block.id.0.into_owned(),
                    name: block.name.0.into_owned(),
                    input: block.input,
                    arguments: String::new(),
                };
            }
            // Tools that the provider runs itself are not asked for.
            _ => {}
        }
    }

    fn add(&mut self, piece: Piece<'_>, out: &mut VecDeque<Delta>) {
        match &mut self.open {
            Open::Thinking {
                thinking,
                signature,
            } => {
                thinking.push_str(&piece.thinking.0);
                signature.push_str(&piece.signature.0);
            }
            Open::Call { arguments, .. } => arguments.push_str(&piece.partial_json.0),
            Open::Nothing => {}
        }
        hand_out(Delta::Reasoning, piece.thinking.0, out);
        hand_out(Delta::Text, piece.text.0, out);
    }

    fn close(&mut self) -> Result<(), Fault> {
        match std::mem::take(&mut self.open) {
            Open::Nothing => Ok(()),
            Open::Thinking {
                thinking,
                signature,
            } => {
                // Without its signature it would be refused.
                if !signature.is_empty() {
                    self.thoughts.push(json!({
                        "type": "thinking",
                        "thinking": thinking,
                        "signature": signature,
                    }));
                }
                Ok(())
            }
            Open::Call {
                id,
                name,
                input,
                arguments,
            } => {
                let arguments = match input {
                    _ if !arguments.is_empty() => arguments,
                    Value::Object(_) => input.to_string(),
                    _ => "{}".to_owned(),
                };
                self.add_call(id, name, arguments).map_err(Fault::Malformed)
            }
        }
    }

    fn add_call(&mut self, id: String, name: String, arguments: String) -> Result<(), String> {
        if name.is_empty() {
            return Err("it asks for a tool without naming it".to_owned());
        }
        if self.calls.len() == CALL_LIMIT {
            return Err(too_many());
        }
        let mut extra = Map::new();
        let thoughts = std::mem::take(&mut self.thoughts);
        if !thoughts.is_empty() {
            extra.insert(THINKING.to_owned(), Value::Array(thoughts));
        }
        self.calls.push(ToolCall {
            id: if id.is_empty() {
                self.own_ids.next()
            } else {
                id
            },
            name,
            arguments,
            extra,
        });
        Ok(())
    }

    /// <https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>
    fn note_reason(&mut self, word: &str) {
        self.reason = Some(match word {
            "" => return,
            "end_turn" | "stop_sequence" => FinishReason::Stop,
            "max_tokens" => FinishReason::Length,
            "tool_use" => FinishReason::ToolCalls,
            "refusal" => FinishReason::ContentFilter,
            other => FinishReason::Other(other.to_owned()),
        });
    }

    fn finish(&mut self, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        self.close()?;
        let reason = match self.reason.take() {
            _ if !self.calls.is_empty() => FinishReason::ToolCalls,
            None | Some(FinishReason::ToolCalls) => FinishReason::Stop,
            Some(reason) => reason,
        };
        out.extend(self.calls.drain(..).map(Delta::ToolCall));
        out.push_back(Delta::Finished(Finish {
            reason,
            model_id: self.model_id.take(),
            usage: self.usage.total(),
        }));
        Ok(())
    }
}

impl Counted {
    fn note(&mut self, usage: &Value) {
        for (count, path) in [
            (&mut self.input, "/input_tokens"),
            (&mut self.cache_write, "/cache_creation_input_tokens"),
            (&mut self.cache_read, "/cache_read_input_tokens"),
            (&mut self.output, "/output_tokens"),
            (&mut self.thinking, "/output_tokens_details/thinking_tokens"),
        ] {
            *count = usage.pointer(path).and_then(Value::as_u64).or(*count);
        }
    }

    /// `input_tokens` leaves out what the cache served or took:
    /// <https://platform.claude.com/docs/en/build-with-claude/prompt-caching#tracking-cache-performance>
    fn total(&self) -> Option<Usage> {
        self.input.or(self.output)?;
        let input = [self.input, self.cache_write, self.cache_read];
        Some(Usage {
            input_tokens: input.into_iter().flatten().fold(0, u64::saturating_add),
            output_tokens: self.output.unwrap_or_default(),
            cached_input_tokens: self.cache_read,
            reasoning_tokens: self.thinking,
        })
    }
}

fn hand_out(delta: fn(String) -> Delta, text: Cow<'_, str>, out: &mut VecDeque<Delta>) {
    if !text.is_empty() {
        out.push_back(delta(text.into_owned()));
    }
}
