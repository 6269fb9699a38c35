//! The events of a run as Server-Sent Events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

mod event;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use hyper::body::{Body, Frame};
use nexus_api::event::ChatEvent;
use nexus_core::RunEvent;
use nexus_core::event::ErrorKind;
use pin_project_lite::pin_project;
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long nothing may be said before a comment shows that the connection lives.
const SILENCE: Duration = Duration::from_secs(15);
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";
const CUT_OFF: &[u8] = b": the server is shutting down\n\n";

/// When a frame holds this much it is sent, also when more events are ready.
const FRAME_BYTES: usize = 16 * 1024;

/// How the events of a run look to one kind of client.
pub(crate) trait View {
    /// Appends what this event is to the client, which may be nothing.
    fn write(&mut self, event: &RunEvent, out: &mut BytesMut);
}

/// Nexus's own events, one for one.
#[derive(Debug)]
pub(crate) struct NativeEvents;

impl View for NativeEvents {
    fn write(&mut self, event: &RunEvent, out: &mut BytesMut) {
        if let Some(event) = event::native(event) {
            encode(&event, out);
        }
    }
}

pin_project! {
    /// The body of an answer. Events that are ready at the same time leave in one frame.
    pub(crate) struct EventStream<S, V> {
        #[pin]
        run: S,
        view: V,
        #[pin]
        shutdown: WaitForCancellationFutureOwned,
        // When it fires, either nothing was said for a while, or time is up.
        #[pin]
        timer: Sleep,
        grace: Duration,
        // Known since the server is shutting down.
        end: Option<Instant>,
        last_frame: Instant,
        buffer: BytesMut,
        is_over: bool,
    }
}

impl<S, V> EventStream<S, V> {
    /// The events of `run`, as `view` shows them. `grace` after `shutdown` they end, wherever
    /// they are.
    pub(crate) fn new(run: S, view: V, shutdown: CancellationToken, grace: Duration) -> Self {
        let now = Instant::now();
        Self {
            run,
            view,
            shutdown: shutdown.cancelled_owned(),
            timer: sleep_until(now + SILENCE),
            grace,
            end: None,
            last_frame: now,
            buffer: BytesMut::new(),
            is_over: false,
        }
    }
}

impl<S: Stream<Item = RunEvent>, V: View> Body for EventStream<S, V> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.as_mut().poll_events(cx);
        if self.buffer.is_empty() && !self.is_over {
            ready!(self.as_mut().poll_clock(cx));
        }
        let this = self.project();
        if this.buffer.is_empty() {
            return Poll::Ready(None);
        }
        *this.last_frame = Instant::now();
        Poll::Ready(Some(Ok(Frame::data(this.buffer.split().freeze()))))
    }
}

impl<S: Stream<Item = RunEvent>, V: View> EventStream<S, V> {
    /// Moves the run, and collects what it says until it has to wait.
    fn poll_events(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let mut this = self.project();
        while this.buffer.len() < FRAME_BYTES {
            match this.run.as_mut().poll_next(cx) {
                Poll::Ready(Some(event)) => this.view.write(&event, this.buffer),
                Poll::Ready(None) => {
                    *this.is_over = true;
                    return;
                }
                Poll::Pending => return,
            }
        }
    }

    /// Ready when there is something to say, or nothing more, without a word from the run.
    ///
    /// The timer is not moved with each frame, only looked at when it fires: frames are many,
    /// silence is rare.
    fn poll_clock(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.end.is_none() && this.shutdown.poll(cx).is_ready() {
            let end = Instant::now() + *this.grace;
            *this.end = Some(end);
            let deadline = end.min(this.timer.deadline());
            this.timer.as_mut().reset(deadline);
        }
        loop {
            ready!(this.timer.as_mut().poll(cx));
            let now = Instant::now();
            if this.end.is_some_and(|end| end <= now) {
                this.view.write(&unfinished(), this.buffer);
                this.buffer.extend_from_slice(CUT_OFF);
                *this.is_over = true;
                return Poll::Ready(());
            }
            let is_silent = *this.last_frame + SILENCE <= now;
            let next = if is_silent { now } else { *this.last_frame } + SILENCE;
            this.timer
                .as_mut()
                .reset(this.end.map_or(next, |end| end.min(next)));
            if is_silent {
                this.buffer.extend_from_slice(KEEP_ALIVE);
                return Poll::Ready(());
            }
        }
    }
}

/// What the reader of a run is told that has not ended when the server stops.
fn unfinished() -> RunEvent {
    RunEvent::Error {
        code: "interrupted",
        kind: ErrorKind::Unavailable,
        field: None,
        message: "the server stopped before this answer was stored: it may be missing from the \
                  conversation, so copy what you need"
            .to_owned(),
        retryable: false,
        retry_after: None,
    }
}

/// Appends an event: its name, its payload as one line of JSON, an empty line. JSON escapes line
/// breaks, so that no text can end its line and begin an event of its own.
fn encode(event: &ChatEvent<'_>, out: &mut BytesMut) {
    match event {
        ChatEvent::RunStarted(it) => line("run_started", it, out),
        ChatEvent::Notice(it) => line("notice", it, out),
        ChatEvent::TextChunk(it) => line("text_chunk", it, out),
        ChatEvent::ToolCallStarted(it) => line("tool_call_started", it, out),
        ChatEvent::ToolCallFinished(it) => line("tool_call_finished", it, out),
        ChatEvent::Error(it) => line("error", it, out),
        ChatEvent::RunFinished(it) => line("run_finished", it, out),
    }
}

fn line(name: &str, payload: &impl Serialize, out: &mut BytesMut) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    if let Err(error) = serde_json::to_writer(&mut out.writer(), payload) {
        unreachable!("events are made of texts, numbers and JSON: {error}");
    }
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
