//! Who moves a connection: a task of its own, and while an answer is read, whoever reads it.
//!
//! Otherwise each piece of a stream wakes three tasks: the connection, the reader, and again the
//! connection, which may go on as its piece was taken. And pieces that came together would be
//! handed over one by one. Only for HTTP/1: a connection of HTTP/2 has many readers.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;

/// How often a connection is moved in one go. What is left then waits for the next time, so that
/// other tasks have theirs: the runtime may have asked for that.
const MOVES: u32 = 16;

/// How often the end of an answer is held back, so that the pool hears of the free connection before
/// the reader can ask anew. Twice, as some look for the end once more than they wait for it.
const HELD_BACK: u8 = 2;

tokio::task_local! {
    /// What is being moved.
    static CURRENT: Weak<Driven>;
}

/// Starts the tasks of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drivers;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Drivers {
    fn execute(&self, connection: F) {
        let driven = Arc::new(Driven {
            state: Mutex::new(State {
                connection: Some(connection.boxed()),
                is_lent: false,
            }),
            home: AtomicWaker::new(),
        });
        TokioExecutor::new().execute(Home(driven));
    }
}

/// A connection, or something else that the client does in the background.
pub(crate) struct Driven {
    state: Mutex<State>,
    /// The task of its own.
    home: AtomicWaker,
}

struct State {
    /// Gone when it is over.
    connection: Option<BoxFuture<'static, ()>>,
    is_lent: bool,
}

impl Driven {
    /// The connection that is being moved right now.
    pub(crate) fn current() -> Option<Weak<Self>> {
        CURRENT.try_with(Weak::clone).ok()
    }

    fn poll(self: &Arc<Self>, state: &mut State, cx: &mut Context<'_>) -> Poll<()> {
        // One that panics is never moved again.
        let Some(mut connection) = state.connection.take() else {
            return Poll::Ready(());
        };
        let moved = CURRENT.sync_scope(Arc::downgrade(self), || connection.poll_unpin(cx));
        if moved.is_pending() {
            state.connection = Some(connection);
        }
        moved
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Driven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driven").finish_non_exhaustive()
    }
}

/// The task of a connection.
struct Home(Arc<Driven>);

impl Future for Home {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driven = &self.0;
        driven.home.register(cx.waker());
        let mut state = driven.lock();
        if state.is_lent {
            return Poll::Pending;
        }
        driven.poll(&mut state, cx)
    }
}

/// A connection in the hands of a reader. Its own task has it back when this is dropped.
#[derive(Debug)]
struct Loan {
    driven: Arc<Driven>,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Loan {
    fn of(driven: Arc<Driven>) -> Self {
        driven.lock().is_lent = true;
        let bell = Arc::new(Bell {
            has_rung: AtomicBool::new(true),
            reader: AtomicWaker::new(),
        });
        let waker = Waker::from(Arc::clone(&bell));
        Self {
            driven,
            bell,
            waker,
        }
    }

    /// Moves the connection until `body` has something, or both have to wait.
    fn poll_frame(
        &self,
        mut body: Pin<&mut Incoming>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.bell.reader.take();
        for _ in 0..MOVES {
            // Only the connection gives it anything, and nobody else moves that.
            let nobody = &mut Context::from_waker(Waker::noop());
            if let Poll::Ready(frame) = body.as_mut().poll_frame(nobody) {
                return Poll::Ready(frame);
            }
            if self.bell.is_silent_for(cx) {
                return Poll::Pending;
            }
            let mut connection = Context::from_waker(&self.waker);
            _ = self.driven.poll(&mut self.driven.lock(), &mut connection);
        }
        self.bell.has_rung.store(true, Ordering::Release);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.driven.lock().is_lent = false;
        self.driven.home.wake();
    }
}

/// Rings when a connection that is lent can go on. It wakes the reader only when the reader waits:
/// taking a piece rings too, and the reader looks again by itself.
#[derive(Debug)]
struct Bell {
    has_rung: AtomicBool,
    reader: AtomicWaker,
}

impl Bell {
    /// Whether it has not rung since the last time. Then it wakes the task of `cx` when it does.
    fn is_silent_for(&self, cx: &Context<'_>) -> bool {
        if self.has_rung.swap(false, Ordering::AcqRel) {
            return false;
        }
        self.reader.register(cx.waker());
        // It may have rung before it knew whom to wake.
        if self.has_rung.swap(false, Ordering::AcqRel) {
            self.reader.take();
            return false;
        }
        true
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

/// The body of an answer. Whoever reads it moves its connection.
#[derive(Debug)]
pub struct AnswerBody {
    // First, so that a connection that comes home knows that nobody wants the rest.
    body: Incoming,
    loan: Option<Loan>,
    held_back: u8,
}

impl AnswerBody {
    /// `connection`: where it comes from, if nothing else comes from there at the same time.
    pub(crate) fn new(body: Incoming, connection: Option<Arc<Driven>>) -> Self {
        let loan = connection.filter(|_| !body.is_end_stream()).map(Loan::of);
        Self {
            body,
            loan,
            held_back: 0,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let body = Pin::new(&mut this.body);
        if let Some(loan) = &this.loan {
            let polled = loan.poll_frame(body, cx);
            match polled {
                Poll::Ready(None) => {
                    this.loan = None;
                    this.held_back = HELD_BACK;
                }
                Poll::Ready(Some(Err(_))) => {
                    this.loan = None;
                    return polled;
                }
                Poll::Ready(Some(Ok(_))) | Poll::Pending => return polled,
            }
        }
        if this.held_back > 0 {
            this.held_back -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
