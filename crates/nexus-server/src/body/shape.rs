//! How much there is in a text of JSON, counted before anything is built from it: a value takes far
//! more memory than the two bytes that it may be written in.

/// The most values and names of one body.
pub(crate) const MAX_NODES: usize = 131_072;

/// The memory of a value or a name beside its text, in bytes: its entry in a list or an object that
/// has room to grow, and its allocation.
pub(crate) const NODE_BYTES: usize = 128;

/// No reader goes deeper: it gives up there.
const MAX_DEPTH: usize = 128;

/// Counts the values and names of a text that may be JSON, a few more rather than fewer. Counting
/// ends above [`MAX_NODES`], and where a reader gives up.
pub(super) fn count_nodes(json: &[u8]) -> usize {
    let mut nodes = 1;
    let mut depth = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_text(&mut bytes),
            b',' | b':' | b'[' | b'{' => {
                nodes += 1;
                depth += usize::from(matches!(byte, b'[' | b'{'));
                if nodes > MAX_NODES || depth > MAX_DEPTH {
                    break;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    nodes
}

/// Goes on behind the end of a text.
fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_names_are_counted_and_texts_are_not_looked_into() {
        for (json, nodes) in [
            ("1", 1),
            ("[1,2,3]", 4),
            (r#"{"a":{"b":[]}}"#, 6),
            (r#""a,b:[{\"c,\\""#, 1),
            (r#"{"\\":","}"#, 3),
            (r#""never closed,,,,"#, 1),
            ("", 1),
        ] {
            assert_eq!(count_nodes(json.as_bytes()), nodes, "{json}");
        }
        assert_eq!(count_nodes(&vec![b'['; 10 * MAX_NODES]), MAX_DEPTH + 2);
        let many = format!("[{}1]", "1,".repeat(10 * MAX_NODES));
        assert_eq!(count_nodes(many.as_bytes()), MAX_NODES + 1);
    }
}
