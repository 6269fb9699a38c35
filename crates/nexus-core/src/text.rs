//! Which characters free text may contain. Questions, personas and prompts go through here.

/// The longest prompt text, in bytes.
pub const MAX_PROMPT_BYTES: usize = 32 * 1024;

/// The flags of England, Scotland and Wales: the only emoji that are spelled with characters that
/// are otherwise invisible ([UTS #51](https://www.unicode.org/reports/tr51/#emoji-flag-tags)).
const FLAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than the limit.
    #[error("{found} bytes, the limit is {limit}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A control character other than tab, line feed or carriage return: invisible to people,
    /// and able to confuse terminals, logs and models.
    #[error("control character U+{code:04X} at character {position}: remove it")]
    ControlCharacter {
        /// Its code point.
        code: u32,
        /// Its place, counted in characters from 0.
        position: usize,
    },
    /// A character of the block that spells ASCII invisibly, U+E0000 to U+E007F: models read what
    /// people cannot see.
    #[error(
        "hidden character U+{code:05X} at character {position}: models read it and people do not \
         see it, remove it"
    )]
    HiddenCharacter {
        /// Its code point.
        code: u32,
        /// Its place, counted in characters from 0.
        position: usize,
    },
}

/// Checks free text. The text itself is kept byte for byte.
///
/// # Errors
/// When it is longer than `limit` bytes or contains a control character or a hidden one.
pub fn check(text: &str, limit: usize) -> Result<(), TextError> {
    if text.len() > limit {
        return Err(TextError::TooLong {
            found: text.len(),
            limit,
        });
    }
    if let Some((position, c)) = text.chars().enumerate().find(|(_, c)| is_control(*c)) {
        return Err(TextError::ControlCharacter {
            code: u32::from(c),
            position,
        });
    }
    match hidden(text).next() {
        Some((at, c)) => Err(TextError::HiddenCharacter {
            code: u32::from(c),
            position: text
                .char_indices()
                .take_while(|(place, _)| *place < at)
                .count(),
        }),
        None => Ok(()),
    }
}

/// Whether a character is a control character that free text may not contain.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t' | '\r')
}

/// Takes the hidden characters out of a text whose writer is not there to correct it, and gives
/// how many there were.
pub fn strip_hidden(text: &mut String) -> usize {
    let places: Vec<_> = hidden(text).map(|(at, _)| at).collect();
    let mut left = places.iter().peekable();
    let mut at = 0;
    text.retain(|c| {
        let is_next = left.next_if_eq(&&at).is_some();
        at += c.len_utf8();
        !is_next
    });
    places.len()
}

/// The hidden characters of a text and where they are, in bytes.
fn hidden(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut flag_until = 0;
    text.char_indices().filter(move |(at, c)| {
        if *c == '\u{1f3f4}' {
            let rest = text.get(*at..).unwrap_or_default();
            let flag = FLAGS.iter().find(|flag| rest.starts_with(**flag));
            flag_until = at + flag.map_or(0, |flag| flag.len());
        }
        is_hidden(*c) && *at >= flag_until
    })
}

/// Whether a character belongs to the block that spells ASCII invisibly.
pub(crate) const fn is_hidden(c: char) -> bool {
    matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_passes_and_control_characters_do_not() {
        assert_eq!(check("我是曦\n\tça va 👋\r\n", 100), Ok(()));
        assert_eq!(
            check("ab\u{7}", 100),
            Err(TextError::ControlCharacter {
                code: 7,
                position: 2
            })
        );
        assert_eq!(
            check("é\u{85}", 100),
            Err(TextError::ControlCharacter {
                code: 0x85,
                position: 1
            })
        );
        assert_eq!(
            check("abc", 2),
            Err(TextError::TooLong { found: 3, limit: 2 })
        );
    }

    #[test]
    fn t36_text_that_only_models_can_read_is_refused() {
        for code in 0xe0000..=0xe007f {
            let hidden = char::from_u32(code).unwrap();
            let refused = TextError::HiddenCharacter { code, position: 2 };
            assert_eq!(check(&format!("é {hidden}!"), 100), Err(refused));
        }
        assert_eq!(
            check("hi\u{e0041}", 100).unwrap_err().to_string(),
            "hidden character U+E0041 at character 2: models read it and people do not see it, \
             remove it"
        );
    }

    #[test]
    fn t36_every_control_character_but_tab_and_line_ends_is_refused() {
        for code in (0..0x20).chain(0x7f..0xa0) {
            let control = char::from_u32(code).unwrap();
            let is_fine = matches!(control, '\t' | '\n' | '\r');
            let outcome = check(&format!("a{control}"), 100);
            assert_eq!(outcome.is_ok(), is_fine, "U+{code:04X}: {outcome:?}");
        }
    }

    #[test]
    fn t36_what_people_write_with_is_left_alone() {
        for text in [
            // Right to left, with its marks, embeddings, overrides and isolates.
            "\u{200f}שלום\u{200e} \u{202a}a\u{202c} \u{202e}b\u{202c} \u{2066}c\u{2069}",
            // What joins and parts letters, and a family.
            "می\u{200c}خواهم क्\u{200d}ष 👨\u{200d}👩\u{200d}👧",
            "zero\u{200b}width\u{feff} \u{2060}\u{ad}",
            // One letter in two spellings.
            "é e\u{301}",
            "\u{e0080}\u{dffff}",
        ] {
            assert_eq!(check(text, 1000), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn t36_the_flags_that_are_spelled_with_hidden_characters_are_no_hiding_place() {
        for flag in FLAGS {
            assert_eq!(check(&format!("{flag}{flag} go"), 100), Ok(()));
            assert!(check(&format!("{flag}\u{e0041}"), 100).is_err());
            assert!(check(&flag.replace('\u{1f3f4}', ""), 100).is_err());
        }
        // A flag that nobody has.
        assert!(check("\u{1f3f4}\u{e0068}\u{e0069}\u{e007f}", 100).is_err());
    }

    #[test]
    fn t36_hidden_characters_are_counted_when_they_are_taken_out() {
        let mut text = format!("a\u{e0041}b {}\u{e0042}c\u{200b}", FLAGS[0]);
        assert_eq!(strip_hidden(&mut text), 2);
        assert_eq!(text, format!("ab {}c\u{200b}", FLAGS[0]));
        assert_eq!(strip_hidden(&mut text), 0);
    }
}
