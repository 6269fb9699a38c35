//! What a run used of its model, turn by turn.

use std::sync::Arc;

use nexus_core::event::Usage;
use nexus_core::limits::Spending;
use nexus_core::{Model, UsageCount};
use nexus_llm::{ChatRequest, LlmError, tokens};

use crate::context::{self, RunContext};
use crate::generate::{Ending, Reply};

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
    let answers = request.client.as_ref().map_or(1, |it| it.answers.max(1));
    let reasoning = tokens::of_text(&reply.reasoning);
    let calls = reply.tool_calls.iter();
    let calls = calls.map(|call| tokens::of_text(&call.name) + tokens::of_text(&call.arguments));
    let output = tokens::of_text(&reply.text) + calls.sum::<u64>() + reasoning;
    was_reached.then(|| TurnUsage {
        usage: Usage {
            input_tokens: tokens::of_request(request),
            // Of several answers, only the first is read here.
            output_tokens: output.saturating_mul(answers.into()),
            cached_input_tokens: None,
            reasoning_tokens: (reasoning > 0).then_some(reasoning),
        },
        is_estimate: true,
    })
}

/// What a run may come to, before its history and the tools of servers are known: what it sends, as
/// it is counted afterwards too, and the longest answer.
#[must_use]
pub fn estimate(run: &RunContext) -> Spending {
    let prompt = context::build(run, Vec::new(), Arc::default());
    let request = prompt.request();
    let answers = request.client.as_ref().map_or(1, |it| it.answers.max(1));
    let count = UsageCount {
        input_tokens: tokens::of_request(request),
        output_tokens: tokens::of_longest_answer(request).saturating_mul(answers.into()),
        ..UsageCount::default()
    };
    let price = request.model.price;
    Spending {
        tokens: count.input_tokens.saturating_add(count.output_tokens),
        cost_micros: price.map_or(0, |price| price.of(&count)),
    }
}
