//! What a run used of its model, turn by turn.

use std::sync::Arc;

use nexus_core::event::Usage;
use nexus_core::limits::Spending;
use nexus_core::{Model, UsageCount};
use nexus_llm::{ChatMessage, ChatRequest, LlmError, UserPart};

use crate::context::RunContext;
use crate::generate::{Ending, Reply};

/// A token is about this many bytes, where nobody counted better.
const BYTES_PER_TOKEN: u64 = 4;

/// An image counts as much as this many bytes of text: about a thousand tokens, whatever its size.
const IMAGE_BYTES: usize = 4_000;

/// What a run used so far.
#[derive(Debug, Default)]
pub struct Spent {
    /// What each model was used for, in the order in which they first answered. Empty: none was
    /// reached.
    models: Vec<(Arc<Model>, UsageCount)>,
    /// The place of the one that answered last: the run counts as its run.
    last: usize,
}

/// What one turn used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnUsage {
    /// How much.
    pub usage: Usage,
    /// The provider did not say, so the texts were measured.
    pub is_estimate: bool,
}

impl Spent {
    /// Adds a turn of the model that answered it, which may be a fallback.
    pub fn add(&mut self, model: &Arc<Model>, turn: TurnUsage) {
        let Usage {
            input_tokens,
            output_tokens,
            cached_input_tokens,
            reasoning_tokens,
        } = turn.usage;
        let is_estimate = turn.is_estimate;
        let turn = UsageCount {
            runs: 0,
            input_tokens,
            output_tokens,
            cached_input_tokens: cached_input_tokens.unwrap_or(0),
            reasoning_tokens: reasoning_tokens.unwrap_or(0),
            cost_micros: 0,
            estimated_runs: u64::from(is_estimate),
        };
        let mut models = self.models.iter_mut().enumerate();
        match models.find(|(_, (known, _))| known.name == model.name) {
            Some((place, (_, count))) => {
                *count = count.saturating_add(turn);
                self.last = place;
            }
            None => {
                self.last = self.models.len();
                self.models.push((Arc::clone(model), turn));
            }
        }
    }

    /// What each model was used for, and what that cost. All of it is one run.
    pub fn by_model(&self) -> impl Iterator<Item = (&Model, UsageCount)> {
        let models = self.models.iter().enumerate();
        models.map(|(place, (model, count))| {
            let count = UsageCount {
                runs: u64::from(place == self.last),
                // However many of its turns were estimated.
                estimated_runs: count.estimated_runs.min(1),
                cost_micros: model.price.map_or(0, |price| price.of(count)),
                ..*count
            };
            (&**model, count)
        })
    }
}

/// What a turn used. `None`: the model was not reached, so it cost nothing.
#[must_use]
pub fn of_turn(request: &ChatRequest, reply: &Reply) -> Option<TurnUsage> {
    if let Some(usage) = reply.usage() {
        return Some(TurnUsage {
            usage,
            is_estimate: false,
        });
    }
    // Whoever broke off late may have worked, and may charge for it.
    let was_reached = match &reply.ending {
        Ending::Finished(_)
        | Ending::Stopped(_)
        | Ending::OutOfTime
        | Ending::Broken(LlmError::TimedOut { .. } | LlmError::Interrupted { .. }) => true,
        Ending::Broken(_) => !reply.is_empty(),
    };
    let calls = reply.tool_calls.iter();
    let calls: usize = calls
        .map(|call| call.name.len() + call.arguments.len())
        .sum();
    let reasoning = tokens(reply.reasoning.len());
    was_reached.then(|| TurnUsage {
        usage: Usage {
            input_tokens: tokens(request.messages.iter().map(bytes).sum()),
            output_tokens: tokens(reply.text.len() + calls) + reasoning,
            cached_input_tokens: None,
            reasoning_tokens: (reasoning > 0).then_some(reasoning),
        },
        is_estimate: true,
    })
}

/// What a run may come to, before its history is known: its prompts, its question, and the longest
/// answer where there is one.
#[must_use]
pub fn estimate(run: &RunContext) -> Spending {
    let profile = &run.profile;
    let (asked, answers) = match &run.client {
        Some(client) => (
            client.system_text.len() + client.messages.iter().map(bytes).sum::<usize>(),
            u64::from(client.form.answers),
        ),
        None => (run.human.as_ref().map_or(0, |it| it.content.len()), 1),
    };
    let count = UsageCount {
        input_tokens: tokens(profile.system_prompt.len() + asked),
        output_tokens: profile
            .max_tokens
            .value
            .map_or(0, u64::from)
            .saturating_mul(answers),
        ..UsageCount::default()
    };
    let price = profile.model.value.price;
    Spending {
        tokens: count.input_tokens.saturating_add(count.output_tokens),
        cost_micros: price.map_or(0, |price| price.of(&count)),
    }
}

fn bytes(message: &ChatMessage) -> usize {
    match message.plain() {
        // What was read is never in a program's form.
        ChatMessage::Client(_) => 0,
        ChatMessage::System(text) => text.len(),
        ChatMessage::User(text) => text.len(),
        ChatMessage::UserParts(parts) => parts.iter().map(part_bytes).sum(),
        ChatMessage::Assistant {
            text,
            reasoning,
            tool_calls,
        } => {
            let calls = tool_calls.iter();
            let calls: usize = calls.map(|call| call.arguments.len()).sum();
            text.len() + reasoning.len() + calls
        }
        ChatMessage::ToolResult { content, .. } => content.len(),
    }
}

const fn part_bytes(part: &UserPart) -> usize {
    match part {
        UserPart::Text(text) => text.len(),
        UserPart::Image(_) => IMAGE_BYTES,
    }
}

fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes)
        .unwrap_or(u64::MAX)
        .div_ceil(BYTES_PER_TOKEN)
}
