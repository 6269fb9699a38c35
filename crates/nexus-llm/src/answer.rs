//! A body that arrives → a stream of [`Delta`]s, within limits of time and size. Generic over the
//! body, so that it can be tested without a network and with a clock that stands still.

mod blots;
mod pace;

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::Body;
use nexus_egress::describe;
use tokio::time::Instant;

use self::blots::Blots;
use self::pace::{Limit, Pace};
use crate::failures::Failures;
use crate::protocol::{Reader, Step};
use crate::sse::Decoder;
use crate::{Delta, LlmError, Timers};

/// The largest answer.
pub(crate) const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// The answer of one turn.
#[derive(Debug)]
pub(crate) struct Answer<B> {
    /// Gone as soon as nothing more is wanted of it. Dropping it cancels the request.
    body: Option<B>,
    content: Content,
    reader: Reader,
    failures: Failures,
    /// Keeps the key out of it. `None`: there is none to be searched.
    blots: Option<Blots>,
    pace: Pace,
    /// What has been read and not been handed out.
    ready: VecDeque<Delta>,
    received: usize,
    /// What went wrong, while pieces from before it are still to be handed out.
    failure: Option<LlmError>,
    /// There has been a piece: from now on a failure is an interruption.
    any_piece: bool,
    /// The last frame has come. Only the end of the body is still waited for.
    is_done: bool,
}

/// How an answer is wrapped.
#[derive(Debug)]
enum Content {
    Events {
        decoder: Decoder,
        /// There was at least one event.
        any: bool,
        /// The body is over; the decoder may still hold its last event.
        ended: bool,
    },
    Whole(Vec<u8>),
}

/// What became of waiting for more bytes.
enum Arrival {
    Bytes,
    End,
}

impl<B> Answer<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: StdError + 'static,
{
    /// An answer that streams.
    pub(crate) fn events(body: B, reader: Reader, failures: Failures, clock: Clock) -> Self {
        let content = Content::Events {
            decoder: Decoder::new(),
            any: false,
            ended: false,
        };
        let pace = Pace::of_stream(clock.timers, clock.started);
        Self::new(body, content, reader, failures, pace)
    }

    /// An answer in one piece.
    pub(crate) fn whole(body: B, reader: Reader, failures: Failures, clock: Clock) -> Self {
        let pace = Pace::of_whole(clock.timers, clock.started);
        Self::new(body, Content::Whole(Vec::new()), reader, failures, pace)
    }

    fn new(body: B, content: Content, reader: Reader, failures: Failures, pace: Pace) -> Self {
        Self {
            body: Some(body),
            content,
            reader,
            blots: failures.key().and_then(Blots::new),
            failures,
            pace,
            ready: VecDeque::new(),
            failure: None,
            received: 0,
            any_piece: false,
            is_done: false,
        }
    }

    /// Reads until there is a piece to hand out, or the answer is over.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LlmError>> {
        while self.ready.is_empty() && self.body.is_some() {
            if self.is_done {
                ready!(self.poll_drain(cx));
            } else if !self.read_event()? {
                match ready!(self.poll_body(cx))? {
                    Arrival::Bytes => {}
                    Arrival::End => self.end()?,
                }
            }
        }
        if self.is_done && self.body.is_some() {
            // Mostly the end has come with the last frame.
            let _ = self.poll_drain(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads one event that has arrived whole. `false` when there is none.
    fn read_event(&mut self) -> Result<bool, LlmError> {
        let Content::Events {
            decoder,
            any,
            ended,
        } = &mut self.content
        else {
            return Ok(false);
        };
        let data = match decoder.next() {
            Ok(Some(data)) => data,
            Ok(None) if *ended => {
                let (reader, was_empty) = (&mut self.reader, !*any);
                let end = reader.end(&mut self.ready);
                self.body = None;
                return end.map(|()| true).map_err(|fault| {
                    if was_empty {
                        self.failures.malformed("the answer is empty", false)
                    } else {
                        self.failures.fault(fault, self.any_piece)
                    }
                });
            }
            Ok(None) => return Ok(false),
            Err(too_long) => {
                return Err(self
                    .failures
                    .malformed(&too_long.to_string(), self.any_piece));
            }
        };
        *any = true;
        let step = self.reader.frame(data, &mut self.ready);
        self.any_piece |= !self.ready.is_empty();
        match step.map_err(|fault| self.failures.fault(fault, self.any_piece))? {
            Step::More => self.pace.event(self.reader.has_stopped()),
            Step::Done => {
                self.is_done = true;
                self.pace.drain();
            }
        }
        Ok(true)
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival, LlmError>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(Arrival::End));
        };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.take(data)?;
                }
                Poll::Ready(Ok(Arrival::Bytes))
            }
            Poll::Ready(None) => Poll::Ready(Ok(Arrival::End)),
            // The model had stopped: what is missing is at most the usage.
            Poll::Ready(Some(Err(_))) if self.reader.has_stopped() => Poll::Ready(Ok(Arrival::End)),
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Err(self.failures.broken(describe(&error), self.any_piece)))
            }
            Poll::Pending => {
                let limit = ready!(self.pace.poll(cx));
                Poll::Ready(match limit {
                    _ if self.reader.has_stopped() => Ok(Arrival::End),
                    Limit::Total(limit) if self.any_piece => {
                        let reason = format!("it was still answering after {limit:?}");
                        Err(self.failures.interrupted(&reason))
                    }
                    Limit::Silence(waited) | Limit::Total(waited) => {
                        Err(self.failures.timed_out(waited))
                    }
                })
            }
        }
    }

    fn take(&mut self, data: &Bytes) -> Result<(), LlmError> {
        self.received += data.len();
        if self.received > ANSWER_LIMIT {
            let reason = format!("it is longer than {} MiB", ANSWER_LIMIT / 1024 / 1024);
            return Err(self.failures.malformed(&reason, self.any_piece));
        }
        self.pace.byte();
        match &mut self.content {
            Content::Events { decoder, .. } => decoder.push(data),
            Content::Whole(bytes) => bytes.extend_from_slice(data),
        }
        Ok(())
    }

    /// The body is over, or nothing more is expected of it.
    fn end(&mut self) -> Result<(), LlmError> {
        match &mut self.content {
            Content::Events { decoder, ended, .. } => {
                decoder.end();
                *ended = true;
                Ok(())
            }
            Content::Whole(bytes) => {
                self.body = None;
                let text = String::from_utf8_lossy(bytes);
                self.reader
                    .whole(&text, &mut self.ready)
                    .map_err(|fault| self.failures.fault(fault, self.any_piece))
            }
        }
    }

    /// Reads to the end of the body, for a moment, so that the connection can be used again.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(body) = &mut self.body {
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) if self.received < ANSWER_LIMIT => {
                    self.received += frame.data_ref().map_or(1, Bytes::len);
                }
                Poll::Ready(_) => self.body = None,
                Poll::Pending => {
                    ready!(self.pace.poll(cx));
                    self.body = None;
                }
            }
        }
        Poll::Ready(())
    }
}

/// When a request left, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) timers: Timers,
    pub(crate) started: Instant,
}

impl<B> Stream for Answer<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: StdError + 'static,
{
    type Item = Result<Delta, LlmError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.ready.is_empty()
                && let Err(error) = ready!(this.poll_more(cx))
            {
                this.body = None;
                this.failure = Some(error);
            }
            let Some(piece) = this.ready.pop_front() else {
                let rest = this.blots.as_mut().and_then(Blots::end);
                let last = rest.map(Ok).or_else(|| this.failure.take().map(Err));
                return Poll::Ready(last);
            };
            let piece = match &mut this.blots {
                Some(blots) => blots.pass(piece, &mut this.ready),
                None => Some(piece),
            };
            if let Some(piece) = piece {
                return Poll::Ready(Some(Ok(match piece {
                    // What it says of itself is stored and shown beside the answer.
                    Delta::Finished(finish) => Delta::Finished(this.failures.redact_finish(finish)),
                    piece => piece,
                })));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
