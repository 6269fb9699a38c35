//! Which characters free text may contain. Questions, personas and prompts go through here.

/// The longest prompt text, in bytes.
pub const MAX_PROMPT_BYTES: usize = 32 * 1024;

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
}

/// Checks free text. The text itself is kept byte for byte.
///
/// # Errors
/// When it is longer than `limit` bytes or contains a control character.
pub fn check(text: &str, limit: usize) -> Result<(), TextError> {
    if text.len() > limit {
        return Err(TextError::TooLong {
            found: text.len(),
            limit,
        });
    }
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    match text.chars().enumerate().find(|(_, c)| !allowed(*c)) {
        Some((position, c)) => Err(TextError::ControlCharacter {
            code: u32::from(c),
            position,
        }),
        None => Ok(()),
    }
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
}
