//! Frames of an answer → [`Delta`]s.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use nexus_core::event::Usage;
use serde_json::Value;

use super::alike::{Alike, Place};
use super::calls::Calls;
use super::wire::{Choice, Frame, Piece};
use crate::lenient::{First, Object};
use crate::protocol::{Fault, Step, not_json};
use crate::report::Reported;
use crate::{ChatRequest, Delivery, Delta, Finish, FinishReason};

/// How many frames without a word are held back.
const MAX_HELD: usize = 16;

/// What is known of an answer so far.
#[derive(Debug)]
pub(crate) struct Reader {
    alike: Alike,
    calls: Calls,
    model_id: Option<Arc<str>>,
    usage: Option<Usage>,
    reason: Option<FinishReason>,
    passing: Option<Passing>,
    /// How many answers have not come to their end.
    open_answers: u32,
}

impl Reader {
    pub(crate) fn new(request: &ChatRequest) -> Self {
        Self {
            alike: Alike::default(),
            calls: Calls::new(request),
            model_id: None,
            usage: None,
            reason: None,
            passing: Passing::wanted(request),
            open_answers: request
                .client
                .as_ref()
                .map_or(1, |form| form.answers.max(1)),
        }
    }

    pub(crate) fn frame(&mut self, data: &str, out: &mut VecDeque<Delta>) -> Result<Step, Fault> {
        match data.trim() {
            "" => Ok(Step::More),
            "[DONE]" => self.finish(out).map(|()| Step::Done),
            data => {
                let said = out.len();
                let holds_choice = match self.alike.read(data) {
                    Some(piece) => {
                        out.push_back(piece);
                        true
                    }
                    None => self.read(data, out)?,
                };
                if let Some(passing) = &mut self.passing {
                    passing.frame(data, holds_choice, said, out);
                }
                Ok(Step::More)
            }
        }
    }

    pub(crate) fn whole(&mut self, body: &str, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        let body = body.trim_start_matches('\u{FEFF}').trim();
        if body.is_empty() {
            return Err(Fault::Malformed("the answer is empty".to_owned()));
        }
        if !self.read(body, out)? {
            return Err(Fault::Malformed("the answer holds no choices".to_owned()));
        }
        if self.passing.is_some() {
            out.push_front(Delta::Verbatim(body.to_owned()));
        }
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
        self.open_answers == 0
    }

    /// Whether there was a choice to read.
    fn read(&mut self, json: &str, out: &mut VecDeque<Delta>) -> Result<bool, Fault> {
        let Object(frame) = serde_json::from_str(json).map_err(|error| not_json(&error))?;
        let Some(Frame {
            model,
            choices: First(choice),
            usage,
            error,
        }) = frame
        else {
            return Err(Fault::Malformed("a frame is not a JSON object".to_owned()));
        };
        if let Some(reported) = Reported::read(&error) {
            return Err(Fault::Reported(reported));
        }
        if self.model_id.is_none() && !model.0.is_empty() {
            self.model_id = Some(Arc::from(model.0));
        }
        let mut says_more = !usage.is_null();
        self.note_usage(&usage);
        let Some(Choice {
            index,
            delta,
            message,
            finish_reason,
            usage,
            error,
        }) = choice
        else {
            return Ok(false);
        };
        if let Some(reported) = Reported::read(&error) {
            return Err(Fault::Reported(reported));
        }
        says_more |= !usage.is_null() || !finish_reason.0.is_empty();
        self.note_usage(&usage);
        if index.as_u64().is_some_and(|index| index > 0) && self.passing.is_some() {
            // One of several answers that a program wanted: the first one is the answer.
            if !finish_reason.0.is_empty() {
                self.open_answers = self.open_answers.saturating_sub(1);
            }
            return Ok(true);
        }
        if let Some(piece) = delta.0.or(message.0) {
            if !says_more && let Some(place) = Place::of(&piece, json) {
                self.alike.learn(json, place);
            }
            self.read_piece(piece, out)?;
        }
        self.note_reason(&finish_reason.0)?;
        Ok(true)
    }

    fn read_piece(&mut self, piece: Piece<'_>, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        // Some servers send the reasoning under both names.
        let [content, refusal] = [piece.content.0, piece.refusal.0];
        let reasoning = first_filled(piece.reasoning_content.0, piece.reasoning.0);
        if !reasoning.is_empty() {
            out.push_back(Delta::Reasoning(reasoning.into_owned()));
        }
        for text in [content, refusal] {
            if !text.is_empty() {
                out.push_back(Delta::Text(text.into_owned()));
            }
        }
        self.calls.add(piece.tool_calls).map_err(Fault::Malformed)
    }

    fn note_reason(&mut self, word: &str) -> Result<(), Fault> {
        let reason = match word {
            "" => return Ok(()),
            "stop" | "STOP" | "end_turn" => FinishReason::Stop,
            "length" | "max_tokens" | "MAX_TOKENS" => FinishReason::Length,
            "tool_calls" | "function_call" => FinishReason::ToolCalls,
            "content_filter" => FinishReason::ContentFilter,
            "error" => {
                let message = "it ended the answer with an error".to_owned();
                return Err(Fault::Reported(Reported::saying(message)));
            }
            other => FinishReason::Other(other.to_owned()),
        };
        if self.reason.replace(reason).is_none() {
            self.open_answers = self.open_answers.saturating_sub(1);
        }
        Ok(())
    }

    /// The last one that says something wins: previews and empty ones come before it.
    fn note_usage(&mut self, usage: &Value) {
        if !usage.is_object() {
            return;
        }
        let number = |path: &str| usage.pointer(path).and_then(Value::as_u64);
        let input_tokens = number("/prompt_tokens");
        let output_tokens = number("/completion_tokens");
        if input_tokens.or(output_tokens).is_none() {
            return;
        }
        let (input_tokens, mut output_tokens) = (
            input_tokens.unwrap_or_default(),
            output_tokens.unwrap_or_default(),
        );
        let reasoning_tokens = number("/completion_tokens_details/reasoning_tokens");
        // xAI counts reasoning beside the answer, the others count it in:
        // https://docs.x.ai/docs/guides/reasoning, where the three add up to the total.
        let beside = output_tokens.saturating_add(reasoning_tokens.unwrap_or_default());
        if number("/total_tokens") == Some(input_tokens.saturating_add(beside)) {
            output_tokens = beside;
        }
        self.usage = Some(Usage {
            input_tokens,
            output_tokens,
            cached_input_tokens: number("/prompt_tokens_details/cached_tokens")
                .or_else(|| number("/prompt_cache_hit_tokens")),
            reasoning_tokens,
        });
    }

    fn finish(&mut self, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        if let Some(passing) = &mut self.passing {
            passing.end(out);
        }
        let calls = self.calls.take().map_err(Fault::Malformed)?;
        let reason = match self.reason.take() {
            // Gemini says `stop` when it wants tools.
            _ if !calls.is_empty() => FinishReason::ToolCalls,
            None | Some(FinishReason::ToolCalls) => FinishReason::Stop,
            Some(reason) => reason,
        };
        out.extend(calls.into_iter().map(Delta::ToolCall));
        out.push_back(Delta::Finished(Finish {
            reason,
            model_id: self.model_id.take(),
            usage: self.usage.take(),
        }));
        Ok(())
    }
}

/// Hands frames on as they came.
#[derive(Debug)]
struct Passing {
    wants_usage: bool,
    /// Frames before the first word. They are held back, so that another try is still possible when
    /// nothing follows them. `None`: words have come.
    held: Option<Vec<String>>,
}

impl Passing {
    fn wanted(request: &ChatRequest) -> Option<Self> {
        let form = request.client.as_ref()?;
        request.passes_frames().then(|| Self {
            wants_usage: form.delivery == Delivery::Stream { with_usage: true },
            held: Some(Vec::new()),
        })
    }

    /// Puts a frame before the pieces that it holds, which begin at `said`. The usage at the end is
    /// always asked for, and not always by the program.
    fn frame(&mut self, data: &str, holds_choice: bool, said: usize, out: &mut VecDeque<Delta>) {
        if !holds_choice && !self.wants_usage {
            return;
        }
        match &mut self.held {
            Some(held) if out.len() == said && held.len() < MAX_HELD => held.push(data.to_owned()),
            held => {
                let pieces = out.split_off(said);
                let before = held.take().unwrap_or_default();
                out.extend(before.into_iter().map(Delta::Verbatim));
                out.push_back(Delta::Verbatim(data.to_owned()));
                out.extend(pieces);
            }
        }
    }

    /// The frames of an answer that ends without a word.
    fn end(&mut self, out: &mut VecDeque<Delta>) {
        let held = self.held.take().unwrap_or_default();
        out.extend(held.into_iter().map(Delta::Verbatim));
    }
}

fn first_filled<'a>(first: Cow<'a, str>, second: Cow<'a, str>) -> Cow<'a, str> {
    if first.is_empty() { second } else { first }
}

#[cfg(test)]
mod tests;
