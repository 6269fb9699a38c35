//! As much HTTP/1.1 as a load generator and a provider that stands still need: one message after
//! another, with a length or in chunks. Bytes go in as they arrive; nothing is read ahead.

use anyhow::{Context, bail, ensure};

/// One message as it arrives.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// The first line and the headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// In how many chunks the body came: how often its sender sent something.
    pub(crate) chunks: usize,
    /// What has arrived and is not understood yet.
    rest: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// So many bytes of the body are missing.
    Counted(usize),
    ChunkSize,
    /// So many bytes of the chunk are missing, and the line break after it.
    Chunk(usize),
    /// The empty line after the last chunk.
    Trailer,
    Complete,
}

impl Message {
    /// Forgets the message, to read the next one of the connection.
    pub(crate) fn reset(&mut self) {
        self.head.clear();
        self.body.clear();
        self.chunks = 0;
        self.rest.clear();
        self.state = State::Head;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Takes what has arrived.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.rest.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(step) = self.step(used)? {
            used += step;
        }
        self.rest.drain(..used);
        ensure!(
            !self.is_complete() || self.rest.is_empty(),
            "more came than was asked for"
        );
        Ok(())
    }

    /// Understands the next part, from `start` on, and tells how long it is. `None`: not all of it
    /// has arrived, or there is nothing more to understand.
    fn step(&mut self, start: usize) -> anyhow::Result<Option<usize>> {
        let rest = &self.rest[start..];
        match self.state {
            State::Head => {
                let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") else {
                    return Ok(None);
                };
                self.head = String::from_utf8(rest[..end].to_vec())?;
                self.state = framing(&self.head)?;
                Ok(Some(end + 4))
            }
            State::Counted(missing) => {
                let taken = missing.min(rest.len());
                self.body.extend_from_slice(&rest[..taken]);
                self.state = match missing - taken {
                    0 => State::Complete,
                    missing => State::Counted(missing),
                };
                Ok((taken > 0).then_some(taken))
            }
            State::ChunkSize => {
                let Some(end) = memchr::memmem::find(rest, b"\r\n") else {
                    return Ok(None);
                };
                let size = std::str::from_utf8(&rest[..end])?;
                self.state =
                    match usize::from_str_radix(size, 16).context("a chunk without a size")? {
                        0 => State::Trailer,
                        size => {
                            self.chunks += 1;
                            State::Chunk(size)
                        }
                    };
                Ok(Some(end + 2))
            }
            State::Chunk(0) => match rest {
                [b'\r', b'\n', ..] => {
                    self.state = State::ChunkSize;
                    Ok(Some(2))
                }
                [] | [b'\r'] => Ok(None),
                _ => bail!("a chunk is longer than its size"),
            },
            State::Chunk(missing) => {
                let taken = missing.min(rest.len());
                self.body.extend_from_slice(&rest[..taken]);
                self.state = State::Chunk(missing - taken);
                Ok((taken > 0).then_some(taken))
            }
            State::Trailer => {
                if rest.len() < 2 {
                    return Ok(None);
                }
                ensure!(rest.starts_with(b"\r\n"), "trailers are not expected");
                self.state = State::Complete;
                Ok(Some(2))
            }
            State::Complete => Ok(None),
        }
    }
}

/// How the body after this head is wrapped.
fn framing(head: &str) -> anyhow::Result<State> {
    let mut state = State::Complete;
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            ensure!(
                value.eq_ignore_ascii_case("chunked"),
                "{value} is not known"
            );
            return Ok(State::ChunkSize);
        }
        if name.eq_ignore_ascii_case("content-length") {
            state = match value.parse()? {
                0 => State::Complete,
                length => State::Counted(length),
            };
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n, you two!\r\n0\r\n\r\n";

    fn read(parts: &[&[u8]]) -> anyhow::Result<Message> {
        let mut message = Message::default();
        for part in parts {
            message.feed(part)?;
        }
        Ok(message)
    }

    #[test]
    fn a_message_may_be_cut_anywhere() {
        for cut in 0..CHUNKED.len() {
            let (first, second) = CHUNKED.split_at(cut);
            let mut message = read(&[first]).unwrap();
            assert!(!message.is_complete(), "cut at {cut}");
            message.feed(second).unwrap();
            assert!(message.is_complete(), "cut at {cut}");
            assert_eq!(message.body, b"hello, you two!", "cut at {cut}");
            assert_eq!(message.chunks, 2, "cut at {cut}");
        }
    }

    #[test]
    fn a_body_ends_with_its_length() {
        let mut message = read(&[b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhel"]).unwrap();
        assert!(!message.is_complete());
        message.feed(b"lo").unwrap();
        assert!(message.is_complete());
        assert_eq!(message.body, b"hello");
        message.reset();
        message.feed(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(message.is_complete());
        assert_eq!(message.head, "GET / HTTP/1.1");
        assert!(message.body.is_empty());
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for wrong in [
            &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ] {
            assert!(
                read(&[wrong]).is_err(),
                "{}",
                String::from_utf8_lossy(wrong)
            );
        }
    }
}
