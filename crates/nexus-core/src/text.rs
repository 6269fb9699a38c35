//! Which characters free text may contain. Questions, personas and prompts are checked here, and what
//! servers say is cleaned here.

use serde_json::Value;

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

/// Cleans a text of a server, whose writer is not there to correct it: hidden characters and those
/// that turn the direction of text around are removed, control characters become U+FFFD. Returns how
/// many were removed.
pub fn clean(text: &mut String) -> usize {
    if !text
        .chars()
        .any(|c| is_control(c) || is_unseen(c) || is_selector(c))
    {
        return 0;
    }
    let tags: Vec<_> = hidden(text).map(|(at, _)| at).collect();
    let mut tags = tags.iter().peekable();
    let mut cleaned = String::with_capacity(text.len());
    let mut removed = 0;
    let mut before = None;
    for (at, c) in text.char_indices() {
        let is_tag = tags.next_if_eq(&&at).is_some();
        // One of them chooses a glyph; a row of them spells bytes.
        let is_repeated = is_selector(c) && before.is_some_and(is_selector);
        before = Some(c);
        if is_tag || is_repeated || (is_unseen(c) && !is_hidden(c)) {
            removed += 1;
        } else if is_control(c) {
            cleaned.push(char::REPLACEMENT_CHARACTER);
        } else {
            cleaned.push(c);
        }
    }
    *text = cleaned;
    removed
}

/// [Cleans](clean) every text and every key of a JSON value.
pub fn clean_json(value: &mut Value) {
    match value {
        Value::String(text) => {
            clean(text);
        }
        Value::Array(elements) => elements.iter_mut().for_each(clean_json),
        Value::Object(members) => {
            for (mut key, mut member) in std::mem::take(members) {
                clean(&mut key);
                clean_json(&mut member);
                members.insert(key, member);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// [Cleans](clean) a text, and says at its end how many characters were removed.
pub fn clean_and_note(text: &mut String) {
    let removed = clean(text);
    if removed > 0 {
        let note = format!("\n[{removed} hidden characters were left out]");
        text.push_str(&note);
    }
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

/// Whether a character is not seen, and is obeyed or read all the same: the block that spells ASCII,
/// what turns the direction of text around, invisible operators, what is deprecated, annotations.
/// Marks of direction and joiners are not among them: languages are written with them.
const fn is_unseen(c: char) -> bool {
    is_hidden(c)
        || matches!(
            c,
            '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{2061}'..='\u{2064}'
                | '\u{206a}'..='\u{206f}'
                | '\u{180e}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
        )
}

/// Whether a character chooses how the one before it is drawn.
const fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
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
        assert_eq!(clean(&mut text), 2);
        assert_eq!(text, format!("ab {}c\u{200b}", FLAGS[0]));
        assert_eq!(clean(&mut text), 0);
    }

    #[test]
    fn s10_what_servers_say_is_cleaned() {
        for (said, cleaned) in [
            ("plain text\n\twith ends\r\n", "plain text\n\twith ends\r\n"),
            ("a\0b", "a\u{fffd}b"),
            ("\u{1b}[31mred\u{1b}[0m", "\u{fffd}[31mred\u{fffd}[0m"),
            ("a\u{202e}b\u{202c} \u{2066}c\u{2069}", "ab c"),
            ("a\u{2063}b\u{206a}c\u{fff9}d", "abcd"),
            ("\u{2764}\u{fe0f}", "\u{2764}\u{fe0f}"),
            ("\u{2764}\u{fe0f}\u{e0101}\u{e0102}", "\u{2764}\u{fe0f}"),
            (
                "\u{200f}שלום\u{200e} می\u{200c}خواهم",
                "\u{200f}שלום\u{200e} می\u{200c}خواهم",
            ),
        ] {
            let mut text = said.to_owned();
            clean(&mut text);
            assert_eq!(text, cleaned, "{said:?}");
        }
        let mut value = serde_json::json!({ "a\u{e0041}": [{ "b\0": "c\u{202e}d" }, 1, null] });
        clean_json(&mut value);
        assert_eq!(
            value,
            serde_json::json!({ "a": [{ "b\u{fffd}": "cd" }, 1, null] })
        );
    }
}
