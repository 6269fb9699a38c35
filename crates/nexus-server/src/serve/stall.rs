//! A connection whose reader takes nothing for too long is broken off.
//!
//! A run moves only while its events are read. Without this guard, a reader that keeps its
//! connection open and reads nothing would hold a run, and the provider behind it, for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Passes everything through, and fails a write that cannot go on for `patience`.
pub(super) struct StallGuard<S> {
    stream: S,
    patience: Duration,
    /// Made when the first write has to wait: most connections never need it.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl<S> StallGuard<S> {
    pub(super) const fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            timer: None,
            is_waiting: false,
        }
    }

    /// The outcome of a write, or an error when writes have been waiting for too long. The timer
    /// runs from the first write that had to wait to the next one that got through.
    fn guard<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.is_waiting = false;
            return outcome;
        }
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !self.is_waiting {
            self.is_waiting = true;
            timer.as_mut().reset(Instant::now() + patience);
        }
        timer.as_mut().poll(cx).map(|()| {
            let message = "the client takes nothing of the answer";
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.guard(outcome, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.guard(outcome, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.guard(outcome, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.guard(outcome, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_dropped_in_time() {
        let (server, _client) = duplex(4);
        let mut server = StallGuard::new(server, PATIENCE);
        let began = Instant::now();
        let error = server.write_all(b"more than four").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_waited_for() {
        let (server, mut client) = duplex(1);
        let mut server = StallGuard::new(server, PATIENCE);
        let reading = async {
            let mut text = Vec::new();
            for _ in 0..5 {
                tokio::time::advance(PATIENCE.mul_f64(0.9)).await;
                text.push(client.read_u8().await.unwrap());
            }
            text
        };
        let (written, text) = tokio::join!(server.write_all(b"hello"), reading);
        written.unwrap();
        assert_eq!(text, b"hello");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_of_the_server_is_no_stall() {
        let (server, mut client) = duplex(64);
        let mut server = StallGuard::new(server, PATIENCE);
        server.write_all(b"a").await.unwrap();
        tokio::time::advance(PATIENCE * 10).await;
        server.write_all(b"b").await.unwrap();
        assert_eq!(client.read_u16().await.unwrap(), u16::from_be_bytes(*b"ab"));
    }
}
