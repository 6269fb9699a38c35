//! The work of a run: its reader does it, until a task of its own takes it over.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::queue::Queue;

/// The rest of a run.
pub(super) struct Work {
    state: Mutex<State>,
    events: Arc<Queue>,
    /// Wakes the reader.
    reader: Waker,
    tasks: TaskTracker,
}

enum State {
    /// The reader moves it.
    OfReader(BoxFuture<'static, ()>),
    /// A task of its own moves it.
    OfTask,
    Over,
}

impl Work {
    pub(super) fn new(
        run: BoxFuture<'static, ()>,
        events: Arc<Queue>,
        reader: Waker,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            state: Mutex::new(State::OfReader(run)),
            events,
            reader,
            tasks,
        }
    }

    /// Moves the run, where that is the reader's part, and says whether it is over: then it has put
    /// its last event.
    pub(super) fn advance(&self) -> bool {
        let mut state = self.lock();
        let is_over = match &mut *state {
            State::OfReader(run) => {
                let mut cx = Context::from_waker(&self.reader);
                run.poll_unpin(&mut cx).is_ready()
            }
            State::OfTask => false,
            State::Over => true,
        };
        if is_over {
            *state = State::Over;
        }
        is_over
    }

    /// Gives the run to a task of its own, if its reader still has it. From then on it waits for no
    /// reader: its events are kept for one that comes back.
    pub(super) fn take_over(self: &Arc<Self>) {
        let mut state = self.lock();
        if !matches!(*state, State::OfReader(_)) {
            return;
        }
        // Outside a runtime nothing is left to finish for.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let State::OfReader(mut run) = std::mem::replace(&mut *state, State::OfTask) else {
            return;
        };
        drop(state);
        self.events.wait_for_no_reader();
        let work = Arc::clone(self);
        self.tasks.spawn(poll_fn(move |cx| {
            let progress = run.poll_unpin(cx);
            if progress.is_ready() {
                *work.lock() = State::Over;
            }
            work.reader.wake_by_ref();
            progress
        }));
    }

    /// Nothing in these sections can leave the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cancels a run, also one whose reader takes nothing and so does not move it.
#[derive(Clone)]
pub(crate) struct Canceller {
    token: CancellationToken,
    work: Weak<Work>,
}

impl Canceller {
    pub(super) const fn new(token: CancellationToken, work: Weak<Work>) -> Self {
        Self { token, work }
    }

    pub(crate) fn cancel(&self) {
        self.token.cancel();
        if let Some(work) = self.work.upgrade() {
            work.take_over();
        }
    }
}
