//! Frames of an answer → [`Delta`]s. <https://ai.google.dev/api/generate-content#generatecontentresponse>

use std::collections::VecDeque;
use std::sync::Arc;

use nexus_core::event::Usage;
use serde_json::{Map, Value};

use super::SIGNATURE;
use super::wire::{Candidate, Feedback, Frame, FunctionCall, Part};
use crate::call_ids::{CALL_LIMIT, CallIds, too_many};
use crate::lenient::{First, List, Object};
use crate::protocol::{Fault, Step, not_json};
use crate::report::Reported;
use crate::{ChatRequest, Delta, Finish, FinishReason, ToolCall};

/// What is known of an answer so far.
#[derive(Debug)]
pub(crate) struct Reader {
    own_ids: CallIds,
    calls: Vec<ToolCall>,
    model_id: Option<Arc<str>>,
    usage: Option<Usage>,
    reason: Option<FinishReason>,
}

impl Reader {
    pub(crate) fn new(request: &ChatRequest) -> Self {
        Self {
            own_ids: CallIds::new(request),
            calls: Vec::new(),
            model_id: None,
            usage: None,
            reason: None,
        }
    }

    pub(crate) fn frame(&mut self, data: &str, out: &mut VecDeque<Delta>) -> Result<Step, Fault> {
        match data.trim() {
            "" => Ok(Step::More),
            // Gateways that also speak OpenAI's protocol may end with its last word.
            "[DONE]" => self.end(out).map(|()| Step::Done),
            data => {
                let frame = serde_json::from_str(data).map_err(|error| not_json(&error))?;
                self.read(frame, out).map(|_| Step::More)
            }
        }
    }

    /// Reads one answer, or the list of them as which a stream comes to those who do not ask for
    /// events. An error may be wrapped in a list too.
    pub(crate) fn whole(&mut self, body: &str, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        let body = body.trim_start_matches('\u{FEFF}').trim();
        if body.is_empty() {
            return Err(Fault::Malformed("the answer is empty".to_owned()));
        }
        let frames: Vec<Object<Frame<'_>>> = if body.starts_with('[') {
            serde_json::from_str(body).map_err(|error| not_json(&error))?
        } else {
            vec![serde_json::from_str(body).map_err(|error| not_json(&error))?]
        };
        let mut any_candidate = false;
        for frame in frames {
            any_candidate |= self.read(frame, out)?;
        }
        if !any_candidate {
            return Err(Fault::Malformed(
                "the answer holds no candidates".to_owned(),
            ));
        }
        self.finish(out);
        Ok(())
    }

    /// The protocol has no last frame: the connection ends after the one with the reason.
    pub(crate) fn end(&mut self, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        if !self.has_stopped() {
            return Err(Fault::Unfinished);
        }
        self.finish(out);
        Ok(())
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.reason.is_some()
    }

    /// Whether there was a candidate to read.
    fn read(
        &mut self,
        Object(frame): Object<Frame<'_>>,
        out: &mut VecDeque<Delta>,
    ) -> Result<bool, Fault> {
        let Some(Frame {
            candidates: First(candidate),
            prompt_feedback: Object(feedback),
            usage_metadata,
            model_version,
            error,
        }) = frame
        else {
            return Err(Fault::Malformed("a frame is not a JSON object".to_owned()));
        };
        if let Some(reported) = Reported::read(&error) {
            return Err(Fault::Reported(reported));
        }
        if self.model_id.is_none() && !model_version.0.is_empty() {
            self.model_id = Some(Arc::from(model_version.0));
        }
        self.note_usage(&usage_metadata);
        let Some(Candidate {
            content: Object(content),
            finish_reason,
        }) = candidate
        else {
            return refused_question(feedback.unwrap_or_default()).map(|()| false);
        };
        let List(parts) = content.unwrap_or_default().parts;
        for part in parts {
            self.read_part(part, out).map_err(Fault::Malformed)?;
        }
        self.note_reason(&finish_reason.0);
        Ok(true)
    }

    fn read_part(&mut self, part: Part<'_>, out: &mut VecDeque<Delta>) -> Result<(), String> {
        if !part.text.0.is_empty() {
            let text = part.text.0.into_owned();
            let is_thought = part.thought == Value::Bool(true);
            out.push_back(if is_thought {
                Delta::Reasoning(text)
            } else {
                Delta::Text(text)
            });
        }
        let Some(FunctionCall { id, name, args }) = part.function_call.0 else {
            return Ok(());
        };
        if name.0.is_empty() {
            return Err("it asks for a tool without naming it".to_owned());
        }
        if self.calls.len() == CALL_LIMIT {
            return Err(too_many());
        }
        let mut extra = Map::new();
        if !part.thought_signature.0.is_empty() {
            let signature = part.thought_signature.0.into_owned();
            extra.insert(SIGNATURE.to_owned(), Value::String(signature));
        }
        self.calls.push(ToolCall {
            id: if id.0.is_empty() {
                self.own_ids.next()
            } else {
                id.0.into_owned()
            },
            name: name.0.into_owned(),
            arguments: if args.is_object() {
                args.to_string()
            } else {
                "{}".to_owned()
            },
            extra,
        });
        Ok(())
    }

    /// <https://ai.google.dev/api/generate-content#FinishReason>
    fn note_reason(&mut self, word: &str) {
        self.reason = Some(match word {
            "" | "FINISH_REASON_UNSPECIFIED" => return,
            "STOP" => FinishReason::Stop,
            "MAX_TOKENS" => FinishReason::Length,
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
            | "IMAGE_SAFETY" => FinishReason::ContentFilter,
            other => FinishReason::Other(other.to_owned()),
        });
    }

    /// The counts of each frame hold for everything up to it. Thoughts are counted beside the answer:
    /// <https://ai.google.dev/api/generate-content#UsageMetadata>
    fn note_usage(&mut self, usage: &Value) {
        let number = |key: &str| usage.get(key).and_then(Value::as_u64);
        let sum = |keys: [&str; 2]| {
            let counts = keys.into_iter().filter_map(number);
            counts.reduce(u64::saturating_add)
        };
        let input = sum(["promptTokenCount", "toolUsePromptTokenCount"]);
        let output = sum(["candidatesTokenCount", "thoughtsTokenCount"]);
        if input.or(output).is_none() {
            return;
        }
        self.usage = Some(Usage {
            input_tokens: input.unwrap_or_default(),
            output_tokens: output.unwrap_or_default(),
            cached_input_tokens: number("cachedContentTokenCount"),
            reasoning_tokens: number("thoughtsTokenCount"),
        });
    }

    fn finish(&mut self, out: &mut VecDeque<Delta>) {
        let reason = match self.reason.take() {
            // There is no word of its own for wanting tools.
            _ if !self.calls.is_empty() => FinishReason::ToolCalls,
            reason => reason.unwrap_or(FinishReason::Stop),
        };
        out.extend(self.calls.drain(..).map(Delta::ToolCall));
        out.push_back(Delta::Finished(Finish {
            reason,
            model_id: self.model_id.take(),
            usage: self.usage.take(),
        }));
    }
}

/// There are no candidates where the question itself is refused:
/// <https://ai.google.dev/api/generate-content#PromptFeedback>
fn refused_question(feedback: Feedback<'_>) -> Result<(), Fault> {
    let Feedback {
        block_reason,
        block_reason_message,
    } = feedback;
    if block_reason.0.is_empty() {
        return Ok(());
    }
    let mut message = format!("it blocked the question ({})", block_reason.0);
    if !block_reason_message.0.is_empty() {
        message = format!("{message}: {}", block_reason_message.0);
    }
    Err(Fault::Reported(Reported::saying(message).with_code(400)))
}
