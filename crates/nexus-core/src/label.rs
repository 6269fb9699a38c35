//! A short line of text that a person or a program chose as a name.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text;

/// The most characters that a [`Label`] has.
const LONGEST: usize = 200;

/// One line of at most 200 characters without control or hidden characters. It may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Why a text is not a [`Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Longer than it may be.
    #[error("{found} characters, the limit is {LONGEST}")]
    TooLong {
        /// Its length in characters.
        found: usize,
    },
    /// A character that people do not see, a line break among them.
    #[error("invisible character U+{code:04X}: use one line of visible text")]
    InvisibleCharacter {
        /// Its code point.
        code: u32,
    },
}

impl Label {
    /// Makes a label of anything: invisible characters become spaces, and what is too long is cut.
    /// For texts whose writer is not there to correct them, such as a `User-Agent` header.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let shown = |c: char| if is_invisible(c) { ' ' } else { c };
        Self(text.chars().take(LONGEST).map(shown).collect())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_invisible(c: char) -> bool {
    c.is_control() || text::is_hidden(c)
}

impl TryFrom<String> for Label {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        let found = text.chars().count();
        if found > LONGEST {
            return Err(LabelError::TooLong { found });
        }
        match text.chars().find(|c| is_invisible(*c)) {
            Some(c) => Err(LabelError::InvisibleCharacter { code: c.into() }),
            None => Ok(Self(text)),
        }
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_or_refused_and_never_changed() {
        let read = |text: &str| Label::try_from(text.to_owned());
        assert_eq!(read("Zoë's laptop").unwrap().as_str(), "Zoë's laptop");
        assert!(read(&"ë".repeat(200)).is_ok());
        assert_eq!(
            read(&"ë".repeat(201)),
            Err(LabelError::TooLong { found: 201 })
        );
        assert_eq!(
            read("two\nlines"),
            Err(LabelError::InvisibleCharacter { code: 10 })
        );
        assert_eq!(
            read("lap\u{e0074}op"),
            Err(LabelError::InvisibleCharacter { code: 0xe0074 })
        );
    }

    #[test]
    fn a_cut_label_is_always_one() {
        let long = "ë\u{1b}[31m\r\n\u{e0041}".repeat(100);
        let label = Label::cut(&long);
        assert_eq!(label.as_str().chars().count(), 200);
        assert_eq!(Label::try_from(label.to_string()), Ok(label));
    }
}
