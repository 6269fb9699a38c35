//! What a run used of its model, turn by turn.

use nexus_core::event::Usage;
use nexus_core::limits::Spending;
use nexus_core::{Model, UsageCount};
use nexus_llm::{ChatMessage, ChatRequest, LlmError};

use crate::context::RunContext;
use crate::generate::{Ending, Reply};

/// A token is about this many bytes, where nobody counted better.
const BYTES_PER_TOKEN: u64 = 4;

/// What a run used so far.
#[derive(Debug, Default)]
pub struct Spent {
    /// `None`: no model was reached.
    count: Option<UsageCount>,
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
    /// Adds a turn.
    pub fn add(&mut self, turn: TurnUsage) {
        let Usage {
            input_tokens,
            output_tokens,
            cached_input_tokens,
            reasoning_tokens,
        } = turn.usage;
        let turn = UsageCount {
            runs: 0,
            input_tokens,
            output_tokens,
            cached_input_tokens: cached_input_tokens.unwrap_or(0),
            reasoning_tokens: reasoning_tokens.unwrap_or(0),
            cost_micros: 0,
        };
        let one_run = UsageCount {
            runs: 1,
            ..UsageCount::default()
        };
        self.count = Some(self.count.unwrap_or(one_run).saturating_add(turn));
    }

    /// One run and its cost. `None`: no model was reached.
    #[must_use]
    pub fn total(&self, model: &Model) -> Option<UsageCount> {
        let count = self.count?;
        let cost_micros = model.price.map_or(0, |price| price.of(&count));
        Some(UsageCount {
            cost_micros,
            ..count
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
        | Ending::Cancelled
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
    let count = UsageCount {
        input_tokens: tokens(profile.system_prompt.len() + run.human.content.len()),
        output_tokens: profile.max_tokens.value.map_or(0, u64::from),
        ..UsageCount::default()
    };
    let price = profile.model.value.price;
    Spending {
        tokens: count.input_tokens.saturating_add(count.output_tokens),
        cost_micros: price.map_or(0, |price| price.of(&count)),
    }
}

fn bytes(message: &ChatMessage) -> usize {
    match message {
        ChatMessage::System(text) => text.len(),
        ChatMessage::User(text) => text.len(),
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

fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes)
        .unwrap_or(u64::MAX)
        .div_ceil(BYTES_PER_TOKEN)
}
