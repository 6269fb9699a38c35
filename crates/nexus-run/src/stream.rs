//! The events of a run, and what makes it move.
//!
//! A [`RunStream`] drives its run itself: whoever reads the events also does the work, in one task,
//! with one wake-up for each piece that a provider sends. When the reader goes away, the rest of
//! the run moves to a task of its own, so that an answer that was paid for is stored all the same. So it
//! does when the run is cancelled: a reader who takes nothing would not move it to its end.

mod bell;
mod queue;
mod work;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream};
use nexus_core::event::{AnsweredBy, Channel, RunEvent, RunFinished, RunStatus, Usage};
use nexus_core::{MessageId, RunId};
use nexus_llm::FinishReason;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::bell::Bell;
use self::queue::Queue;
use self::work::Work;
use crate::context::StopCause;
use crate::error::RunError;
use crate::record::Record;
use crate::spent::TurnUsage;

pub(crate) use self::work::Canceller;

/// What becomes of a run when its reader goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It goes on: the answer is stored.
    Finish,
    /// It stops: what has come so far is stored, and marked.
    Cancel,
}

/// The events of one run, in order. The last one is `run_finished`, whatever happens.
pub struct RunStream {
    work: Arc<Work>,
    events: Arc<Queue>,
    bell: Arc<Bell>,
    on_disconnect: OnDisconnect,
    cancel: CancellationToken,
    is_over: bool,
    /// Shutdown waits as long as this is held.
    _counted: TaskTrackerToken,
}

impl RunStream {
    /// A stream that drives the run which `run` makes. `cancel` stops it.
    pub(crate) fn new<R>(
        on_disconnect: OnDisconnect,
        cancel: CancellationToken,
        tasks: &TaskTracker,
        run: R,
    ) -> Self
    where
        R: FnOnce(Outlet) -> BoxFuture<'static, ()>,
    {
        let events = Arc::<Queue>::default();
        let bell = Bell::new();
        let work = Arc::new_cyclic(|work| {
            let run = run(Outlet {
                events: Arc::clone(&events),
                canceller: Canceller::new(cancel.clone(), work.clone()),
            });
            let reader = Waker::from(Arc::clone(&bell));
            Work::new(run, Arc::clone(&events), reader, tasks.clone())
        });
        Self {
            work,
            events,
            bell,
            on_disconnect,
            cancel,
            is_over: false,
            _counted: tasks.token(),
        }
    }
}

impl Stream for RunStream {
    type Item = RunEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<RunEvent>> {
        let this = &mut *self;
        if let Some(event) = this.events.take() {
            return Poll::Ready(Some(event));
        }
        if this.is_over {
            return Poll::Ready(None);
        }
        if !this.bell.has_rung(cx) {
            return Poll::Pending;
        }
        this.is_over = this.work.advance();
        match this.events.take() {
            None if !this.is_over => Poll::Pending,
            event => Poll::Ready(event),
        }
    }
}

impl Drop for RunStream {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.events.close();
        if self.on_disconnect == OnDisconnect::Cancel {
            self.cancel.cancel();
        }
        self.work.take_over();
    }
}

/// Where a run puts its events.
pub(crate) struct Outlet {
    events: Arc<Queue>,
    canceller: Canceller,
}

/// The run's end of the stream, and what its last event will say.
pub struct Emitter {
    outlet: Outlet,
    run_id: RunId,
    message_ids: Vec<MessageId>,
    model: Option<AnsweredBy>,
    finish_reason: Option<String>,
    interrupted: Option<StopCause>,
    usage: Option<Usage>,
    is_estimate: bool,
    pub(crate) record: Record,
}

impl Emitter {
    pub(crate) fn new(run_id: RunId, outlet: Outlet) -> Self {
        Self {
            outlet,
            run_id,
            message_ids: Vec::new(),
            model: None,
            finish_reason: None,
            interrupted: None,
            usage: None,
            is_estimate: false,
            record: Record::new(),
        }
    }

    /// Cancels the run.
    pub(crate) fn canceller(&self) -> Canceller {
        self.outlet.canceller.clone()
    }

    /// Tells the client. Nobody listening is no reason to stop.
    pub async fn emit(&mut self, event: RunEvent) {
        self.record.saw(&event);
        self.outlet.events.put(event).await;
    }

    /// Tells the client a piece of the answer.
    pub async fn say(&mut self, chunk: String, channel: Channel) {
        self.emit(RunEvent::TextChunk { chunk, channel }).await;
    }

    /// Notes that a message of this run is stored.
    pub fn stored(&mut self, id: MessageId) {
        self.message_ids.push(id);
    }

    /// Notes who answered.
    pub fn answered(&mut self, model: AnsweredBy) {
        self.model = Some(model);
    }

    /// Notes why the model stopped.
    pub fn stopped(&mut self, reason: &FinishReason) {
        self.finish_reason = Some(reason.as_str().to_owned());
    }

    /// Notes why the answer was stopped early.
    pub(crate) const fn interrupted(&mut self, cause: StopCause) {
        self.interrupted = Some(cause);
    }

    /// Notes what a turn used.
    pub fn used(&mut self, turn: TurnUsage) {
        *self.usage.get_or_insert_default() += turn.usage;
        self.is_estimate |= turn.is_estimate;
    }

    async fn finish(mut self, outcome: Result<Result<RunStatus, RunError>, Box<dyn Any + Send>>) {
        let status = match outcome.unwrap_or(Err(RunError::Internal)) {
            Ok(status) => status,
            Err(error) => {
                tracing::warn!(
                    code = error.code(),
                    error = &error as &dyn std::error::Error,
                    "run failed"
                );
                self.record.failed(error.code());
                self.emit(error.to_event()).await;
                RunStatus::Failed
            }
        };
        let finished = RunFinished {
            run_id: self.run_id.clone(),
            status,
            model: self.model.take(),
            finish_reason: self.finish_reason.take(),
            interrupted: self.interrupted.map(StopCause::as_str),
            usage: self.usage,
            usage_estimated: self.is_estimate,
            message_ids: std::mem::take(&mut self.message_ids),
        };
        self.record.write(&finished);
        self.emit(RunEvent::RunFinished(finished)).await;
    }
}

/// Runs `work` to its end and sends exactly one `run_finished`, also when `work` fails or panics.
pub(crate) async fn finish_once<W>(mut events: Emitter, work: W)
where
    W: for<'a> FnOnce(&'a mut Emitter) -> BoxFuture<'a, Result<RunStatus, RunError>>,
{
    let outcome = AssertUnwindSafe(work(&mut events)).catch_unwind().await;
    events.finish(outcome).await;
}
