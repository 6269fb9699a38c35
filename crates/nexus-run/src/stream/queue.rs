//! The events that wait for their reader.
//!
//! Run and reader are parts of one task as long as the reader moves the run, so this is a plain queue:
//! who takes from it moves the run itself when it is empty.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use nexus_core::RunEvent;

/// Events that may wait for a slow reader. When it is full, the run waits too, and with it the
/// provider: a slow reader costs no memory.
const CAPACITY: usize = 64;

#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    events: VecDeque<RunEvent>,
    /// The run, when it found no room.
    writer: Option<Waker>,
    /// The reader is gone.
    is_closed: bool,
    /// Every event finds room: few are left to come.
    is_unbounded: bool,
}

impl Queue {
    /// Waits for room. Without a reader, an event is forgotten at once.
    pub(super) async fn put(&self, event: RunEvent) {
        let mut event = Some(event);
        poll_fn(|cx| self.poll_put(&mut event, cx)).await;
    }

    fn poll_put(&self, event: &mut Option<RunEvent>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Poll::Ready(());
        }
        if waiting.events.len() >= CAPACITY && !waiting.is_unbounded {
            waiting.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        waiting.events.extend(event.take());
        Poll::Ready(())
    }

    pub(super) fn take(&self) -> Option<RunEvent> {
        let mut waiting = self.lock();
        let event = waiting.events.pop_front()?;
        let writer = waiting.writer.take();
        drop(waiting);
        writer.into_iter().for_each(Waker::wake);
        Some(event)
    }

    /// The run ends now, and must not wait until its reader takes something.
    pub(super) fn wait_for_no_reader(&self) {
        let mut waiting = self.lock();
        waiting.is_unbounded = true;
        let writer = waiting.writer.take();
        drop(waiting);
        writer.into_iter().for_each(Waker::wake);
    }

    /// Nobody takes anything any more.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.events.clear();
        let writer = waiting.writer.take();
        drop(waiting);
        writer.into_iter().for_each(Waker::wake);
    }

    /// Nothing in these sections can leave the queue half changed.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
