//! What a model says, before it is written in a protocol.

use serde_json::Value;

use super::{anthropic, gemini, openai};

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What it thinks.
    pub reasoning: String,
    /// What it says. A stream has an event for each piece.
    pub pieces: Vec<String>,
    /// The tools that it wants to be called.
    pub calls: Vec<Call>,
    /// Tokens of the prompt and of the answer, where they are counted.
    pub usage: Option<[u64; 2]>,
    /// Why it ends, in the words of OpenAI; by default what follows from the rest.
    pub finish: Option<String>,
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub struct Call {
    /// Of the call.
    pub id: String,
    /// Of the tool.
    pub name: String,
    /// JSON, if all is well.
    pub arguments: String,
}

/// The events of a stream, each with its empty line.
#[derive(Clone, Debug)]
pub struct Events {
    /// What comes before the first piece.
    pub begin: String,
    /// One for each piece.
    pub pieces: Vec<String>,
    /// What comes after the last piece, calls included.
    pub end: String,
}

impl Events {
    /// All of them.
    #[must_use]
    pub fn concat(&self) -> String {
        [&self.begin, &*self.pieces.concat(), &self.end].concat()
    }
}

impl Answer {
    /// A text, in one piece.
    #[must_use]
    pub fn says(text: &str) -> Self {
        Self {
            pieces: vec![text.to_owned()],
            ..Self::default()
        }
    }

    /// A text, word by word.
    #[must_use]
    pub fn in_words(text: &str) -> Self {
        let words = text.split_inclusive(char::is_whitespace);
        Self {
            pieces: words.map(str::to_owned).collect(),
            ..Self::default()
        }
    }

    /// A wish to call these tools: id, name and arguments of each.
    #[must_use]
    pub fn calls<const N: usize>(calls: [(&str, &str, Value); N]) -> Self {
        let calls = calls.map(|(id, name, arguments)| Call {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_string(),
        });
        Self {
            calls: calls.into(),
            ..Self::default()
        }
    }

    /// The same, with so many tokens.
    #[must_use]
    pub fn usage(self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        Self {
            usage: Some([prompt_tokens, completion_tokens]),
            ..self
        }
    }

    /// It as an answer in one piece.
    #[must_use]
    pub fn whole(&self, protocol: Protocol, request: &Value) -> Value {
        match protocol {
            Protocol::OpenAi => openai::whole(self, request),
            Protocol::Anthropic => anthropic::whole(self, request),
            Protocol::Gemini => gemini::whole(self),
        }
    }

    /// It as a stream.
    #[must_use]
    pub fn events(&self, protocol: Protocol, request: &Value) -> Events {
        match protocol {
            Protocol::OpenAi => openai::events(self, request),
            Protocol::Anthropic => anthropic::events(self, request),
            Protocol::Gemini => gemini::events(self),
        }
    }

    pub(super) fn text(&self) -> String {
        self.pieces.concat()
    }

    /// Why it ends, in the words of OpenAI.
    pub(super) fn finish(&self) -> &str {
        let natural = if self.calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        };
        self.finish.as_deref().unwrap_or(natural)
    }
}

impl Call {
    /// The arguments as a protocol without strings has them.
    pub(super) fn input(&self) -> Value {
        serde_json::from_str(&self.arguments).unwrap_or_default()
    }

    /// The arguments as they come: in two parts, if they are long enough.
    pub(super) fn parts(&self) -> [&str; 2] {
        let at = self.arguments.char_indices().nth(5);
        self.arguments
            .split_at(at.map_or(self.arguments.len(), |(at, _)| at))
            .into()
    }
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's Chat Completions.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
}

impl Protocol {
    /// The protocol of a request with this first line.
    #[must_use]
    pub fn of(line: &str) -> Self {
        let path = line.split(' ').nth(1).unwrap_or_default();
        if path.contains("enerateContent") {
            Self::Gemini
        } else if path.contains("/messages") {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    /// The body of a refusal.
    #[must_use]
    pub fn error(self, status: u16, message: &str, code: Option<&str>) -> Value {
        match self {
            Self::OpenAi => openai::error(message, code),
            Self::Anthropic => anthropic::error(message),
            Self::Gemini => gemini::error(status, message),
        }
    }
}
