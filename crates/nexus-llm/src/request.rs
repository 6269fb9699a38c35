//! One turn with a model, the same for every provider and protocol.

use std::sync::Arc;

use nexus_core::Model;
use nexus_core::profile::Fallback;
use serde_json::{Map, Value};

/// What a model is asked.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// Who is asked.
    pub model: Arc<Model>,
    /// The conversation, oldest first; the system prompt, if any, is the first message.
    pub messages: Vec<ChatMessage>,
    /// Sampling temperature. `None` leaves it to the provider.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens. `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
    /// What the model may call.
    pub tools: Arc<[ToolSpec]>,
    /// Who is asked when the model cannot answer, in this order. Only models that this person may
    /// use.
    pub fallbacks: Vec<Fallback>,
}

impl ChatRequest {
    /// The same turn with the fallback of this catalog name. The ones before it are not asked again.
    pub fn fall_back(&mut self, name: &str) {
        let named = |fallback: &Fallback| &*fallback.model.name == name;
        let Some(place) = self.fallbacks.iter().position(named) else {
            return;
        };
        let Some(chosen) = self.fallbacks.drain(..=place).next_back() else {
            return;
        };
        self.model = chosen.model;
        self.temperature = chosen.temperature;
        self.max_tokens = chosen.max_tokens;
    }
}

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatMessage {
    /// The joined prompt blocks. Only the server writes them.
    System(Arc<str>),
    /// The person.
    User(String),
    /// The model.
    Assistant {
        /// What it said; may be empty when it only called tools.
        text: String,
        /// What it thought before it called tools. Some providers want it back with the results.
        /// May be empty; never sent for a message without tool calls.
        reasoning: String,
        /// What it called.
        tool_calls: Vec<ToolCall>,
    },
    /// What a tool said.
    ToolResult {
        /// Which call it answers.
        call_id: String,
        /// The tool.
        name: String,
        /// The result, as text.
        content: String,
    },
}

/// A model asks for a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// Names the call. Made by us when the provider gave none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, as the JSON text that the model wrote. It may be invalid.
    pub arguments: String,
    /// Keys of the call that we do not know. Some providers want them back in the next round.
    pub extra: Map<String, Value>,
}

/// A tool that a model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// Its name: 1 to 64 of `a-zA-Z0-9_-`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// A JSON Schema of its arguments.
    pub parameters: Value,
}
