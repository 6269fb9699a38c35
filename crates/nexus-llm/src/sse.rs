//! Server-Sent Events, decoded as they arrive: bytes in at any split, events out.
//!
//! Only `data` is handed out, borrowed from the decoder. Event names, ids and comments carry
//! nothing that a model provider's protocol needs.

use std::ops::Range;

use memchr::memchr2;

/// The longest line that is accepted.
const LINE_LIMIT: usize = 256 * 1024;
/// The longest event that is accepted, over all its `data` lines.
const EVENT_LIMIT: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Decodes one event stream.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// Where the line that is read next begins.
    cursor: usize,
    /// Up to here there is no line end after `cursor`: long lines are not searched twice.
    searched: usize,
    /// The last line ended with CR. A LF that follows belongs to that line end.
    after_carriage_return: bool,
    /// Nothing has been read yet: a byte order mark may come.
    at_start: bool,
    data: Data,
    /// The lines of an event that has several, or one whose bytes had to be repaired.
    joined: String,
}

/// The `data` of the event that is being read.
#[derive(Debug)]
enum Data {
    None,
    /// One line, still in the buffer. This is what providers send, and it costs no copy.
    Line(Range<usize>),
    /// Several lines, in [`Decoder::joined`].
    Joined,
}

/// Something is longer than a sane provider would send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLong {
    #[error("a line is longer than {} KiB", LINE_LIMIT / 1024)]
    Line,
    #[error("an event is longer than {} KiB", EVENT_LIMIT / 1024)]
    Event,
}

impl Decoder {
    pub(crate) const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            cursor: 0,
            searched: 0,
            after_carriage_return: false,
            at_start: true,
            data: Data::None,
            joined: String::new(),
        }
    }

    /// Takes what the connection delivered.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.forget_what_was_read();
        self.buffer.extend_from_slice(bytes);
    }

    /// The stream is over: what is left counts as a whole event. Call [`Decoder::next`] again.
    pub(crate) fn end(&mut self) {
        self.push(b"\n\n");
    }

    /// The data of the next event that is complete.
    pub(crate) fn next(&mut self) -> Result<Option<&str>, TooLong> {
        while let Some(line) = self.next_line()? {
            if !line.is_empty() {
                self.read_field(line)?;
                continue;
            }
            match std::mem::replace(&mut self.data, Data::None) {
                Data::None => {}
                Data::Joined => return Ok(Some(&self.joined)),
                Data::Line(range) => {
                    let line = &self.buffer[range];
                    return Ok(Some(match str::from_utf8(line) {
                        Ok(text) => text,
                        Err(_) => {
                            self.joined = String::from_utf8_lossy(line).into_owned();
                            &self.joined
                        }
                    }));
                }
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> Result<Option<Range<usize>>, TooLong> {
        if self.at_start {
            let head = &self.buffer[self.cursor..];
            if head.starts_with(BYTE_ORDER_MARK) {
                self.cursor += BYTE_ORDER_MARK.len();
            } else if BYTE_ORDER_MARK.starts_with(head) {
                return Ok(None);
            }
            self.at_start = false;
        }
        if self.after_carriage_return
            && let Some(&byte) = self.buffer.get(self.cursor)
        {
            self.after_carriage_return = false;
            self.cursor += usize::from(byte == b'\n');
        }
        let from = self.cursor.max(self.searched);
        let found = memchr2(b'\r', b'\n', &self.buffer[from..]);
        let end = found.map_or(self.buffer.len(), |at| from + at);
        let line = self.cursor..end;
        if line.len() > LINE_LIMIT {
            return Err(TooLong::Line);
        }
        self.searched = end;
        if found.is_none() {
            return Ok(None);
        }
        self.after_carriage_return = self.buffer[end] == b'\r';
        self.cursor = end + 1;
        Ok(Some(line))
    }

    fn read_field(&mut self, line: Range<usize>) -> Result<(), TooLong> {
        let Some(value) = data_value(&self.buffer[line.clone()]) else {
            return Ok(());
        };
        let value = line.end - value.len()..line.end;
        match &self.data {
            Data::None => {
                self.data = Data::Line(value);
                return Ok(());
            }
            Data::Line(first) => {
                self.joined.clear();
                self.joined
                    .push_str(&String::from_utf8_lossy(&self.buffer[first.clone()]));
                self.data = Data::Joined;
            }
            Data::Joined => {}
        }
        self.joined.push('\n');
        self.joined
            .push_str(&String::from_utf8_lossy(&self.buffer[value]));
        if self.joined.len() > EVENT_LIMIT {
            return Err(TooLong::Event);
        }
        Ok(())
    }

    /// Moves what is still needed to the front of the buffer.
    fn forget_what_was_read(&mut self) {
        let keep_from = match &self.data {
            Data::Line(range) => range.start,
            Data::None | Data::Joined => self.cursor,
        };
        if keep_from == 0 {
            return;
        }
        if let Data::Line(range) = &mut self.data {
            *range = 0..range.len();
        }
        self.buffer.drain(..keep_from);
        self.cursor -= keep_from;
        self.searched = self.searched.saturating_sub(keep_from);
    }
}

/// The value of a `data` line; `None` for a comment and every other field.
fn data_value(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
