//! The `.env` file of the working folder: variables that the environment does not set. They are
//! settings of this program and keys of providers; no program that it starts gets them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nexus_core::egress::is_variable_name;

const NAME: &str = ".env";

static VALUES: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// The file that was read.
#[derive(Debug)]
pub(crate) struct DotEnv {
    pub(crate) path: PathBuf,
    /// The names of the variables that it sets.
    pub(crate) in_force: Vec<&'static str>,
    /// The names of those that the environment sets too, which is stronger.
    pub(crate) shadowed: Vec<&'static str>,
}

impl DotEnv {
    /// `None`: there is no file that can be read.
    pub(super) fn loaded() -> Option<Self> {
        let set = VALUES.get()?.iter().filter(|(_, value)| !value.is_empty());
        let names = set.map(|(name, _)| name.as_str());
        let is_shadowed = |name: &&str| super::process_variable(name).is_some();
        let (shadowed, in_force) = names.partition(is_shadowed);
        Some(Self {
            path: std::path::absolute(NAME).unwrap_or_else(|_| NAME.into()),
            in_force,
            shadowed,
        })
    }
}

/// Reads the file, if there is one. Gives what is wrong with it, for people. What is wrong is left
/// out: the file may belong to something else that lives in this folder.
pub(super) fn load() -> Vec<String> {
    let path = Path::new(NAME);
    // Others keep a folder of this name.
    if !path.is_file() {
        return Vec::new();
    }
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let (values, problems) = parse(&text);
            _ = VALUES.set(values);
            problems
        }
        Err(error) => vec![format!("the file {NAME} cannot be read: {error}")],
    }
}

/// The value of a variable, if the file sets it to something.
pub(super) fn value(name: &str) -> Option<String> {
    let value = VALUES.get()?.get(name)?;
    (!value.is_empty()).then(|| value.clone())
}

/// Lines of `NAME=value`, as shells and python-dotenv read them; `$` has no meaning, so that a
/// password may hold one. The last line of a name counts.
fn parse(text: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut values, mut problems) = (BTreeMap::new(), Vec::new());
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let all = rest.len();
    let whole = rest;
    while !rest.is_empty() {
        let line = 1 + whole[..all - rest.len()].matches('\n').count();
        let (statement, next) = rest.split_once('\n').unwrap_or((rest, ""));
        let statement = statement.trim_start();
        let is_comment = statement.trim_end().is_empty() || statement.starts_with('#');
        let assignment = statement.strip_prefix("export ").unwrap_or(statement);
        let Some((name, _)) = assignment.split_once('=').filter(|_| !is_comment) else {
            if !is_comment {
                problems.push(format!("line {line} of {NAME} is not NAME=value"));
            }
            rest = next;
            continue;
        };
        let name = name.trim();
        // From behind the sign to the end of the file: a value in quotes may have many lines.
        let value = rest.split_once('=').map_or("", |(_, value)| value);
        match read_value(value) {
            Some((value, after)) if is_variable_name(name) => {
                values.insert(name.to_owned(), value);
                rest = after;
            }
            Some(_) => {
                problems.push(format!("line {line} of {NAME} has no name of a variable"));
                rest = next;
            }
            None => {
                problems.push(format!(
                    "the quotes in line {line} of {NAME} are not closed"
                ));
                rest = next;
            }
        }
    }
    (values, problems)
}

/// The value at the beginning of a text, and the lines behind it. `None`: its quotes have no end.
fn read_value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let Some(quote @ ('"' | '\'')) = text.chars().next() else {
        let (line, after) = text.split_once('\n').unwrap_or((text, ""));
        let comment = if line.starts_with('#') {
            Some(0)
        } else {
            line.find(" #")
        };
        let value = line.get(..comment.unwrap_or(line.len()))?;
        return Some((value.trim().to_owned(), after));
    };
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((place, letter)) = letters.next() {
        match letter {
            '\\' if quote == '"' => match letters.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            end if end == quote => {
                let after = text.get(place..)?.split_once('\n');
                return Some((value, after.map_or("", |(_, after)| after)));
            }
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_people_write_them() {
        let text = "\u{feff}# Nexus\r\nMONGO_URI=mongodb://u:p$x#y@host/?a=b\r\n\n  export A = 1 # one\n\
                    B='two # $A' # not this\nC=\"a \\\"b\\\"\\nc\"\nD=\nE=\"one\ntwo\"\nF=last\nF=later";
        let (values, problems) = parse(text);
        let all: Vec<_> = values
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let expected = [
            ("A", "1"),
            ("B", "two # $A"),
            ("C", "a \"b\"\nc"),
            ("D", ""),
            ("E", "one\ntwo"),
            ("F", "later"),
            ("MONGO_URI", "mongodb://u:p$x#y@host/?a=b"),
        ];
        assert_eq!((all.as_slice(), problems.len()), (expected.as_slice(), 0));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_left_out() {
        let (values, problems) = parse("A=1\nhello\n=2\nB C=3\nD='open\nE=5\n");
        assert_eq!(values.keys().collect::<Vec<_>>(), ["A", "E"]);
        let lines = ["line 2", "line 3", "line 4", "line 5"];
        assert_eq!(problems.len(), lines.len(), "{problems:?}");
        for (problem, line) in problems.iter().zip(lines) {
            assert!(
                problem.contains(line) && !problem.contains("open"),
                "{problem}"
            );
        }
    }
}
