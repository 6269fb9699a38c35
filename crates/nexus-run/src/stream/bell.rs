//! Whether a run has anything to do. Who serves an answer looks for more of it several times for
//! each piece; without this, each look would move the whole run and find that it still waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake};

use futures_util::task::AtomicWaker;

/// Rings when something that the run waits for has happened, and wakes the reader.
pub(super) struct Bell {
    has_rung: AtomicBool,
    reader: AtomicWaker,
}

impl Bell {
    /// One that has rung: nobody has looked at the run yet.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            has_rung: AtomicBool::new(true),
            reader: AtomicWaker::new(),
        })
    }

    /// Whether it has rung since the last time. From now on it wakes the task of `cx`.
    pub(super) fn has_rung(&self, cx: &Context<'_>) -> bool {
        // In this order: what happens in between is seen here, and what happens later wakes.
        self.reader.register(cx.waker());
        self.has_rung.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.reader.wake();
    }
}
