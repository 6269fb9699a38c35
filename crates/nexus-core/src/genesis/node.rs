//! A place in a document while it is checked. Reading a wrong value notes a problem and goes on, so
//! that one pass finds everything.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::problem::{Problem, short};

/// Problems and warnings, as they are found.
#[derive(Debug, Default)]
pub(in crate::genesis) struct Findings {
    pub(in crate::genesis) problems: RefCell<Vec<Problem>>,
    pub(in crate::genesis) warnings: RefCell<Vec<Problem>>,
}

/// A value of the document, or the place where one should be.
#[derive(Clone)]
pub(in crate::genesis) struct Node<'a> {
    value: Option<&'a Value>,
    pointer: String,
    findings: &'a Findings,
}

impl<'a> Node<'a> {
    pub(in crate::genesis) const fn root(value: &'a Value, findings: &'a Findings) -> Self {
        Self {
            value: Some(value),
            pointer: String::new(),
            findings,
        }
    }

    /// The value under `key`, there or not.
    pub(in crate::genesis) fn get(&self, key: &str) -> Self {
        let value = self.value.and_then(|value| value.get(key));
        Self {
            value,
            pointer: format!("{}/{}", self.pointer, escape(key)),
            findings: self.findings,
        }
    }

    pub(in crate::genesis) const fn is_present(&self) -> bool {
        self.value.is_some()
    }

    /// Whether this is a key of a row of `llm.providers`, or below one.
    pub(in crate::genesis) fn is_in_provider(&self) -> bool {
        self.pointer
            .strip_prefix("/llm/providers/")
            .is_some_and(|rest| rest.contains('/'))
    }

    /// Whether this is a key of a row of `tools.mcp`, or below one.
    pub(in crate::genesis) fn is_in_tool_server(&self) -> bool {
        self.pointer
            .strip_prefix("/tools/mcp/")
            .is_some_and(|rest| rest.contains('/'))
    }

    pub(in crate::genesis) const fn value(&self) -> Option<&'a Value> {
        self.value
    }

    pub(in crate::genesis) fn problem(&self, expected: impl Into<String>) {
        let found = self.value.map_or_else(|| "nothing".to_owned(), short);
        self.problem_with(found, expected);
    }

    pub(in crate::genesis) fn problem_with(
        &self,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let problem = Problem {
            pointer: self.pointer.clone(),
            found: found.into(),
            expected: expected.into(),
        };
        self.findings.problems.borrow_mut().push(problem);
    }

    pub(in crate::genesis) fn warn(&self, found: impl Into<String>, expected: impl Into<String>) {
        let warning = Problem {
            pointer: self.pointer.clone(),
            found: found.into(),
            expected: expected.into(),
        };
        self.findings.warnings.borrow_mut().push(warning);
    }

    /// The members of an object that must be there.
    pub(in crate::genesis) fn members(&self, expected: &str) -> Vec<(&'a str, Self)> {
        match self.value {
            Some(Value::Object(map)) => self.each(map),
            _ => {
                self.problem(expected);
                Vec::new()
            }
        }
    }

    /// The members of an object that may be absent.
    pub(in crate::genesis) fn optional_members(&self, expected: &str) -> Vec<(&'a str, Self)> {
        if self.is_present() {
            self.members(expected)
        } else {
            Vec::new()
        }
    }

    fn each(&self, map: &'a Map<String, Value>) -> Vec<(&'a str, Self)> {
        map.keys()
            .map(|key| (key.as_str(), self.get(key)))
            .collect()
    }

    /// The elements of a list that may be absent.
    pub(in crate::genesis) fn optional_elements(&self, expected: &str) -> Vec<Self> {
        match self.value {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let element = |(index, value)| Self {
                    value: Some(value),
                    pointer: format!("{}/{index}", self.pointer),
                    findings: self.findings,
                };
                items.iter().enumerate().map(element).collect()
            }
            Some(_) => {
                self.problem(expected);
                Vec::new()
            }
        }
    }

    /// A text that must be there and say something.
    pub(in crate::genesis) fn text(&self, expected: &str) -> Option<&'a str> {
        let text = self
            .value
            .and_then(Value::as_str)
            .filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.problem(expected);
        }
        text
    }

    /// A value of some type that may be absent.
    pub(in crate::genesis) fn optional<T>(
        &self,
        read: impl FnOnce(&'a Value) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        let read = read(self.value?);
        if read.is_none() {
            self.problem(expected);
        }
        read
    }

    /// Warns of keys that Nexus does not know: they are kept, and may be typing errors.
    pub(in crate::genesis) fn warn_unknown(&self, known: &[&str]) {
        let Some(Value::Object(map)) = self.value else {
            return;
        };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            self.get(key).warn(
                "a key that Nexus does not know",
                format!("one of {}; it is kept and has no effect", known.join(", ")),
            );
        }
    }
}

/// Reads a text as a shared one.
pub(in crate::genesis) fn shared(value: &Value) -> Option<Arc<str>> {
    value.as_str().map(Arc::from)
}

/// Escapes a key for a JSON Pointer (RFC 6901, section 3).
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
