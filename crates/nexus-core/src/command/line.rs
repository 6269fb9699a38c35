//! From a line that a person types to a [`Command`]: `config.set temperature 0.3`.

use serde_json::{Map, Number, Value};

use super::{ArgumentKind, Command, CommandError, CommandName};
use crate::{ConfigField, Field};

/// The name of a command and what follows it.
#[must_use]
pub fn split_line(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (name, rest.trim())
}

/// Reads a line: the name of a command and its arguments. Arguments stand in the order of the
/// command's description, separated by spaces; the last one takes the rest of the line, so that a
/// text needs no quotes. Whether they are of the right type is for [`Command::read`] to say.
///
/// # Errors
/// When there is no such command, or more words than it has arguments.
pub fn read_line(line: &str) -> Result<(CommandName, Map<String, Value>), CommandError> {
    let (name, mut rest) = split_line(line);
    let name = match name {
        // The settings, as the original's authors wanted `/config`.
        "config" if rest.is_empty() => CommandName::ConfigGet,
        name => name.parse()?,
    };
    let spec = name.spec();
    let mut arguments = Map::new();
    for (index, argument) in spec.arguments.iter().enumerate() {
        if rest.is_empty() {
            break;
        }
        let is_last = index + 1 == spec.arguments.len();
        let word = if is_last {
            std::mem::take(&mut rest)
        } else {
            let (word, after) = split_line(rest);
            rest = after;
            word
        };
        let value = value(argument.kind, word, &arguments);
        arguments.insert(argument.name.to_owned(), value);
    }
    if rest.is_empty() {
        return Ok((name, arguments));
    }
    Err(CommandError::UnknownArgument {
        command: name,
        found: rest.chars().take(80).collect(),
        usage: spec.usage(),
    })
}

impl Command {
    /// Reads a line, as [`read_line`] does.
    ///
    /// # Errors
    /// When there is no such command, or an argument is missing or of the wrong type.
    pub fn from_line(line: &str) -> Result<Self, CommandError> {
        let (name, arguments) = read_line(line)?;
        Self::read(name, &arguments)
    }
}

fn value(kind: ArgumentKind, word: &str, before: &Map<String, Value>) -> Value {
    let number = || word.parse::<Number>().map(Value::Number).ok();
    let text = || Value::from(word);
    let items = || word.split(',').map(str::trim);
    match kind {
        ArgumentKind::Text => text(),
        ArgumentKind::List => items().map(Value::from).collect(),
        ArgumentKind::Value => match field(before) {
            // A model may have a number for a name.
            Some(ConfigField::Model) => text(),
            // A comma alone is the empty list: no tools.
            Some(ConfigField::Tools) => {
                let names = items().filter(|name| !name.is_empty());
                names.map(Value::from).collect()
            }
            _ => number().unwrap_or_else(text),
        },
        ArgumentKind::Count => number().unwrap_or_else(text),
    }
}

/// The setting that an argument before this one names.
fn field(before: &Map<String, Value>) -> Option<ConfigField> {
    match before.get("field")?.as_str()?.parse() {
        Ok(Field::Config(field)) => Some(field),
        _ => None,
    }
}
