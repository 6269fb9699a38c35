//! The conversation as Anthropic and Gemini want it: the system prompt apart, and two sides that take
//! turns, of which the person is the first. Neighbours of one side become one turn.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{ChatMessage, Image, ToolCall, UserPart};

/// What the person's side says where the history that is shown begins with an answer.
const BEGINNING: &str = "(This conversation began earlier.)";

/// A conversation. What says nothing is left out: both vendors refuse empty texts.
#[derive(Debug, Default)]
pub(crate) struct Conversation<'a> {
    /// The system prompts.
    pub(crate) system: Vec<&'a str>,
    /// No two neighbours are of one side, and the first is the person's.
    pub(crate) turns: Vec<Turn<'a>>,
}

/// What one side says before the other speaks. Never empty.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) side: Side,
    pub(crate) said: Vec<Said<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The person, and the tools.
    Person,
    Model,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Said<'a> {
    Text(&'a str),
    Image(&'a Image),
    /// Here the model thought what led to a call. Some vendors want it back, as it came.
    ThoughtsBefore(&'a ToolCall),
    Call(&'a ToolCall),
    Result {
        call_id: &'a str,
        name: &'a str,
        content: &'a str,
    },
}

impl<'a> Conversation<'a> {
    pub(crate) fn of(messages: &'a [ChatMessage]) -> Self {
        let mut conversation = Self::default();
        for message in messages {
            conversation.add(message);
        }
        conversation
    }

    fn add(&mut self, message: &'a ChatMessage) {
        match message.plain() {
            // What was read is never in a program's form.
            ChatMessage::Client(_) => {}
            ChatMessage::System(text) => {
                if !is_blank(text) {
                    self.system.push(text);
                }
            }
            ChatMessage::User(text) => self.text(Side::Person, text),
            ChatMessage::UserParts(parts) => {
                for part in parts {
                    match part {
                        UserPart::Text(text) => self.text(Side::Person, text),
                        UserPart::Image(image) => self.say(Side::Person, Said::Image(image)),
                    }
                }
            }
            ChatMessage::Assistant {
                text, tool_calls, ..
            } => {
                let mut calls = tool_calls.iter();
                let first = calls.next();
                if let Some(first) = first {
                    self.say(Side::Model, Said::ThoughtsBefore(first));
                }
                self.text(Side::Model, text);
                if let Some(first) = first {
                    self.say(Side::Model, Said::Call(first));
                }
                for call in calls {
                    self.say(Side::Model, Said::ThoughtsBefore(call));
                    self.say(Side::Model, Said::Call(call));
                }
            }
            ChatMessage::ToolResult {
                call_id,
                name,
                content,
            } => self.say(
                Side::Person,
                Said::Result {
                    call_id,
                    name,
                    content,
                },
            ),
        }
    }

    fn text(&mut self, side: Side, text: &'a str) {
        if !is_blank(text) {
            self.say(side, Said::Text(text));
        }
    }

    fn say(&mut self, side: Side, said: Said<'a>) {
        if self.turns.is_empty() && side == Side::Model {
            self.say(Side::Person, Said::Text(BEGINNING));
        }
        match self.turns.last_mut() {
            Some(turn) if turn.side == side => turn.said.push(said),
            _ => self.turns.push(Turn {
                side,
                said: vec![said],
            }),
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The arguments of an earlier call, as an object. What is none becomes an empty one: the result
/// that follows tells the model what was wrong.
#[derive(Debug)]
pub(crate) struct Arguments<'a>(Option<&'a RawValue>);

impl<'a> Arguments<'a> {
    pub(crate) fn of(call: &'a ToolCall) -> Self {
        let json = serde_json::from_str::<&RawValue>(&call.arguments).ok();
        Self(json.filter(|json| json.get().starts_with('{')))
    }
}

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(json) => json.serialize(serializer),
            None => serializer.serialize_map(Some(0))?.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, calls: &[&str]) -> ChatMessage {
        let call = |name: &&str| ToolCall {
            id: (*name).to_owned(),
            name: (*name).to_owned(),
            arguments: String::new(),
            extra: serde_json::Map::new(),
        };
        ChatMessage::Assistant {
            text: text.to_owned(),
            reasoning: String::new(),
            tool_calls: calls.iter().map(call).collect(),
        }
    }

    fn shown(messages: &[ChatMessage]) -> Vec<String> {
        let turns = Conversation::of(messages).turns;
        let said = |said: &Said<'_>| match said {
            Said::Text(text) => (*text).to_owned(),
            Said::Image(_) => "image".to_owned(),
            Said::ThoughtsBefore(call) => format!("thoughts before {}", call.id),
            Said::Call(call) => format!("call {}", call.id),
            Said::Result { call_id, .. } => format!("result of {call_id}"),
        };
        let turn = |turn: &Turn<'_>| {
            let said: Vec<_> = turn.said.iter().map(said).collect();
            format!("{:?}: {}", turn.side, said.join(", "))
        };
        turns.iter().map(turn).collect()
    }

    fn user(text: &str) -> ChatMessage {
        ChatMessage::User(text.to_owned())
    }

    #[test]
    fn neighbours_of_one_side_become_one_turn_and_silence_is_left_out() {
        let result = |id: &str| ChatMessage::ToolResult {
            call_id: id.to_owned(),
            name: id.to_owned(),
            content: String::new(),
        };
        let messages = [
            ChatMessage::System("Be kind.".into()),
            user("one"),
            user(" "),
            user("two"),
            answer(" ", &[]),
            answer("Let me look.", &["a", "b"]),
            result("a"),
            result("b"),
            user("and?"),
        ];
        assert_eq!(
            shown(&messages),
            [
                "Person: one, two",
                "Model: thoughts before a, Let me look., call a, thoughts before b, call b",
                "Person: result of a, result of b, and?",
            ]
        );
        assert_eq!(Conversation::of(&messages).system, ["Be kind."]);
    }

    #[test]
    fn the_person_speaks_first() {
        let messages = [answer("Hello.", &[]), user("Hi.")];
        let first = format!("Person: {BEGINNING}");
        assert_eq!(
            shown(&messages),
            [first.as_str(), "Model: Hello.", "Person: Hi."]
        );
    }

    #[test]
    fn arguments_are_an_object_whatever_the_model_wrote() {
        let written = |arguments: &str| {
            let ChatMessage::Assistant { mut tool_calls, .. } = answer("", &["a"]) else {
                unreachable!("it is an answer");
            };
            tool_calls[0].arguments = arguments.to_owned();
            serde_json::to_string(&Arguments::of(&tool_calls[0])).expect("JSON")
        };
        assert_eq!(written(r#" {"n": 1.0} "#), r#"{"n": 1.0}"#);
        for broken in ["", "[1]", "null", "{\"n\":"] {
            assert_eq!(written(broken), "{}", "{broken}");
        }
    }
}
