//! The body of a request → what is asked, and what this one request sets.

use nexus_core::Overrides;
use nexus_run::ClientTurn;
use nexus_run::client::Delivery;
use serde_json::{Map, Value};

use super::messages;
use crate::ApiError;
use crate::body::NODE_BYTES;

/// Names for the model that is in force for the person.
const OWN_MODEL: [&str; 3] = ["nexus", "auto", ""];

/// What would name the person, or label the request for a provider's records. The API key names the
/// person, and Nexus keeps the records, so they are read by nobody.
const READ_BY_NOBODY: [&str; 3] = ["user", "metadata", "safety_identifier"];

/// What a program asks.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) turn: ClientTurn,
    /// What this one request sets.
    pub(super) request: Overrides,
    /// Bytes that are in memory twice: as they came, and as they were read.
    pub(super) kept_twice: usize,
}

pub(super) fn read(fields: Map<String, Value>) -> Result<Asked, ApiError> {
    let mut fields = Fields(fields);
    for name in READ_BY_NOBODY {
        fields.take(name);
    }
    let request = Overrides {
        model: fields.model()?,
        temperature: fields.temperature()?,
        max_tokens: fields.max_tokens()?,
        ..Overrides::default()
    };
    let conversation = messages::read(fields.messages()?)?;
    let turn = ClientTurn {
        messages: conversation.messages,
        system_text: conversation.system_text,
        question: conversation.question,
        uses_stored_history: false,
        may_be_stored: fields.flag("store")?.unwrap_or(true),
        delivery: fields.delivery()?,
        hears_frames: true,
        fields: fields.0,
    };
    Ok(Asked {
        kept_twice: conversation.kept_twice + kept_twice(&turn.fields),
        turn,
        request,
    })
}

/// What of the fields is also kept as it is read, for other protocols.
fn kept_twice(fields: &Map<String, Value>) -> usize {
    let lists = ["tools", "stop"].into_iter();
    lists.filter_map(|name| fields.get(name)).map(size).sum()
}

/// About as many bytes as a value takes.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => NODE_BYTES,
        Value::String(text) => NODE_BYTES + text.len(),
        Value::Array(items) => NODE_BYTES + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => {
            let fields = fields.iter();
            let sizes = fields.map(|(name, value)| name.len() + NODE_BYTES + size(value));
            NODE_BYTES + sizes.sum::<usize>()
        }
    }
}

/// The fields of a request. What is read is taken out; `null` is nothing.
struct Fields(Map<String, Value>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        // In place, so that the others stay in their order.
        self.0.shift_remove(name).filter(|value| !value.is_null())
    }

    fn model(&mut self) -> Result<Option<std::sync::Arc<str>>, ApiError> {
        match self.take("model") {
            None => Ok(None),
            Some(Value::String(name)) if OWN_MODEL.contains(&name.as_str()) => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.into())),
            Some(_) => Err(wrong_type("model", "the name of a model")),
        }
    }

    fn temperature(&mut self) -> Result<Option<f64>, ApiError> {
        let read = |value: Value| {
            value
                .as_f64()
                .ok_or_else(|| wrong_type("temperature", "a number"))
        };
        self.take("temperature").map(read).transpose()
    }

    /// The old name and the new one; the new one counts.
    fn max_tokens(&mut self) -> Result<Option<u32>, ApiError> {
        let mut read = |name| {
            let count = |value: Value| -> Result<u32, ApiError> {
                let count = value.as_u64().filter(|count| *count > 0);
                let count = count.ok_or_else(|| wrong_type(name, "a whole number above 0"))?;
                // More than there can be is as much as may be.
                Ok(u32::try_from(count).unwrap_or(u32::MAX))
            };
            self.take(name).map(count).transpose()
        };
        let old = read("max_tokens")?;
        Ok(read("max_completion_tokens")?.or(old))
    }

    fn flag(&mut self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(wrong_type(name, "true or false")),
        }
    }

    fn delivery(&mut self) -> Result<Delivery, ApiError> {
        let streams = self.flag("stream")?.unwrap_or(false);
        let with_usage = self.wants_usage()?;
        Ok(if streams {
            Delivery::Stream { with_usage }
        } else {
            Delivery::Whole
        })
    }

    fn wants_usage(&mut self) -> Result<bool, ApiError> {
        match self.take("stream_options") {
            None => Ok(false),
            Some(Value::Object(options)) => match options.get("include_usage") {
                None | Some(Value::Null) => Ok(false),
                Some(Value::Bool(wants)) => Ok(*wants),
                Some(_) => Err(wrong_type("stream_options.include_usage", "true or false")),
            },
            Some(_) => Err(wrong_type("stream_options", "an object")),
        }
    }

    fn messages(&mut self) -> Result<Vec<Value>, ApiError> {
        match self.take("messages") {
            Some(Value::Array(messages)) if !messages.is_empty() => Ok(messages),
            None => {
                let message = "messages is missing: the conversation, oldest first";
                Err(ApiError::unprocessable("missing_field", message).field("messages"))
            }
            Some(_) => Err(wrong_type("messages", "a list of at least one message")),
        }
    }
}

pub(super) fn wrong_type(field: impl Into<String>, expected: &str) -> ApiError {
    let field = field.into();
    let message = format!("{field} must be {expected}");
    ApiError::unprocessable("wrong_type", message).field(field)
}
