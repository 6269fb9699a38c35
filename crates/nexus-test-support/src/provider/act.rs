//! What a provider does byte by byte: whole answers, and every way of breaking one.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::Seen;

/// One thing that the provider does after it has read a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Byte by byte, with a pause after each.
    Drip(Vec<u8>, Duration),
    /// The same again and again, with a pause after each, as long as the client takes it.
    Flood(Vec<u8>, Duration),
    /// Closes in good order.
    Close,
    /// Closes so that the client sees a reset.
    Reset,
    /// Says nothing more until the client hangs up.
    Hold,
}

impl Act {
    /// Whether the connection goes on.
    pub(super) fn perform(
        self,
        stream: &mut BufReader<TcpStream>,
        seen: &Seen,
    ) -> io::Result<bool> {
        let socket = stream.get_mut();
        match self {
            Self::Send(bytes) => socket.write_all(&bytes).map(|()| true),
            Self::Drip(bytes, pause) => {
                for byte in bytes {
                    socket.write_all(&[byte])?;
                    rest(pause);
                }
                Ok(true)
            }
            Self::Flood(bytes, pause) => {
                while let Ok(count) = socket.write(&bytes) {
                    seen.taken.fetch_add(count, Ordering::SeqCst);
                    rest(pause);
                }
                seen.client_left();
                Ok(false)
            }
            Self::Close => Ok(false),
            Self::Reset => {
                SockRef::from(&*socket).set_linger(Some(Duration::ZERO))?;
                Ok(false)
            }
            Self::Hold => {
                // A client sends nothing while it waits: this ends when it hangs up.
                _ = stream.read_to_end(&mut Vec::new());
                seen.client_left();
                Ok(false)
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pace of a provider is what is tested"
)]
fn rest(pause: Duration) {
    if !pause.is_zero() {
        thread::sleep(pause);
    }
}

/// A whole answer.
#[must_use]
pub fn answer(status: &str, content_type: &str, body: &str) -> Vec<Act> {
    with_headers(status, &format!("content-type: {content_type}\r\n"), body)
}

/// A whole answer with headers of one's own, each with its line end.
#[must_use]
pub fn with_headers(status: &str, headers: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    vec![Act::Send([head.as_bytes(), body.as_bytes()].concat())]
}

/// A whole answer in JSON.
#[must_use]
pub fn json(body: &str) -> Vec<Act> {
    answer("200 OK", "application/json", body)
}

/// A status, and an empty object.
#[must_use]
pub fn status(status: &str) -> Vec<Act> {
    answer(status, "application/json", "{}")
}

/// The head of an answer whose body comes in chunks.
#[must_use]
pub fn head(content_type: &str) -> Act {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    Act::Send(head.into())
}

/// The same, of an event stream.
#[must_use]
pub fn stream_head() -> Act {
    head("text/event-stream; charset=utf-8")
}

/// One chunk of such a body.
#[must_use]
pub fn chunk(bytes: &[u8]) -> Act {
    Act::Send(chunk_bytes(bytes))
}

/// The same, as the bytes that are sent.
#[must_use]
pub fn chunk_bytes(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// The end of such a body.
#[must_use]
pub fn stream_end() -> Act {
    Act::Send(b"0\r\n\r\n".to_vec())
}

/// A streamed answer in these chunks.
pub fn stream<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Act> {
    let chunks = chunks.into_iter().map(chunk);
    std::iter::once(stream_head())
        .chain(chunks)
        .chain([stream_end()])
        .collect()
}
