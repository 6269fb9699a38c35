//! Puts tool calls together from the pieces in which they stream.

use serde_json::{Map, Value};

use crate::call_ids::{CALL_LIMIT, CallIds, too_many};
use crate::{ChatRequest, ToolCall};

/// The tool calls of a turn so far.
#[derive(Debug)]
pub(super) struct Calls {
    pieces: Vec<Pieces>,
    own_ids: CallIds,
}

#[derive(Debug, Default)]
struct Pieces {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    extra: Map<String, Value>,
}

/// One entry of a `tool_calls` list.
#[derive(Default)]
struct Entry {
    position: usize,
    pieces: Pieces,
}

impl Calls {
    pub(super) fn new(request: &ChatRequest) -> Self {
        Self {
            pieces: Vec::new(),
            own_ids: CallIds::new(request),
        }
    }

    /// Takes the value of a `tool_calls` key.
    pub(super) fn add(&mut self, list: Value) -> Result<(), String> {
        let list = match list {
            Value::Array(list) => list,
            Value::Object(_) => vec![list],
            _ => return Ok(()),
        };
        for (position, entry) in list.into_iter().enumerate() {
            if let Value::Object(entry) = entry {
                self.merge(Entry::read(position, entry));
            }
            if self.pieces.len() > CALL_LIMIT {
                return Err(too_many());
            }
        }
        Ok(())
    }

    /// The calls, complete, in the order in which they began.
    pub(super) fn take(&mut self) -> Result<Vec<ToolCall>, String> {
        let mut calls = Vec::with_capacity(self.pieces.len());
        for Pieces {
            mut id,
            name,
            arguments,
            extra,
            ..
        } in self.pieces.drain(..)
        {
            match (name.is_empty(), arguments.is_empty()) {
                (true, true) => continue,
                (true, false) => return Err("it asks for a tool without naming it".to_owned()),
                (false, _) => {}
            }
            if id.is_empty() {
                id = self.own_ids.next();
            }
            calls.push(ToolCall {
                id,
                name,
                arguments,
                extra,
            });
        }
        Ok(calls)
    }

    fn merge(&mut self, entry: Entry) {
        let at = self.find(&entry).unwrap_or_else(|| {
            self.pieces.push(Pieces::default());
            self.pieces.len() - 1
        });
        let call = &mut self.pieces[at];
        let Pieces {
            index,
            id,
            name,
            arguments,
            extra,
        } = entry.pieces;
        call.index = call.index.or(index);
        // Many gateways repeat the keys with empty values. The first real ones stay.
        if call.id.is_empty() {
            call.id = id;
        }
        if call.name.is_empty() {
            call.name = name;
        }
        if call.arguments.is_empty() {
            call.arguments = arguments;
        } else {
            call.arguments.push_str(&arguments);
        }
        call.extra.extend(extra);
    }

    /// The call that an entry continues: by index, else by id, else the one that is open.
    fn find(
        &self,
        Entry {
            position,
            pieces: entry,
        }: &Entry,
    ) -> Option<usize> {
        if entry.index.is_some() {
            // Some gateways number every call 0: a new name with a new id is another call.
            let continues = |call: &Pieces| {
                let is_other = !entry.name.is_empty()
                    && !entry.id.is_empty()
                    && !call.id.is_empty()
                    && entry.id != call.id;
                !is_other
            };
            let at = self
                .pieces
                .iter()
                .rposition(|call| call.index == entry.index)?;
            return continues(&self.pieces[at]).then_some(at);
        }
        let open = self.pieces.len().checked_sub(1)?;
        let call = &self.pieces[open];
        if !entry.id.is_empty() {
            let known = self.pieces.iter().rposition(|call| call.id == entry.id);
            let names_the_open_one = call.id.is_empty() && entry.name.is_empty();
            return known.or_else(|| names_the_open_one.then_some(open));
        }
        // Gemini gives neither. A second name begins a call when the one before it is whole.
        let is_next = !entry.name.is_empty()
            && !call.name.is_empty()
            && (*position > 0 || serde_json::from_str::<Value>(&call.arguments).is_ok());
        (!is_next).then_some(open)
    }
}

impl Entry {
    fn read(position: usize, entry: Map<String, Value>) -> Self {
        let mut pieces = Pieces::default();
        for (key, value) in entry {
            match (key.as_str(), value) {
                ("index", value) => pieces.index = value.as_u64(),
                ("id", Value::String(id)) => pieces.id = id,
                ("function", Value::Object(mut function)) => {
                    if let Some(Value::String(name)) = function.swap_remove("name") {
                        pieces.name = name;
                    }
                    pieces.arguments = match function.swap_remove("arguments") {
                        Some(Value::String(arguments)) => arguments,
                        // Some servers send the arguments as they are meant.
                        Some(arguments @ Value::Object(_)) => arguments.to_string(),
                        _ => String::new(),
                    };
                }
                ("type" | "id" | "function", _) | (_, Value::Null) => {}
                (_, value) => {
                    pieces.extra.insert(key, value);
                }
            }
        }
        Self { position, pieces }
    }
}

#[cfg(test)]
mod tests;
