//! Each call to the driver runs in a task of its own: a caller that leaves must not drop one in the
//! middle (<https://jira.mongodb.org/browse/RUST-937>), and none waits for longer than it may.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::StoreError;

/// How many calls may be on their way at once. More than the connections, so that none of these is
/// idle; not many more, so that a database that hangs does not fill the memory.
const ROOM: usize = 512;

/// Where calls run.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    tasks: TaskTracker,
    room: Arc<Semaphore>,
    deadline: Duration,
}

impl Calls {
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            tasks: TaskTracker::new(),
            room: Arc::new(Semaphore::new(ROOM)),
            deadline,
        }
    }

    /// Runs `call` to its end, and waits for it until the deadline.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = async {
            let place = Arc::clone(&self.room)
                .acquire_owned()
                .await
                .map_err(|_| unavailable("the store is closed"))?;
            let task = self.tasks.spawn(async move {
                let answer = call.await;
                drop(place);
                answer
            });
            task.await
                .unwrap_or_else(|_| Err(unavailable("a call to the database was given up")))
        };
        timeout(self.deadline, answer).await.unwrap_or_else(|_| {
            let seconds = self.deadline.as_secs_f32();
            Err(unavailable(&format!(
                "the database did not answer within {seconds} s"
            )))
        })
    }

    /// Runs `work` beside the calls, until it is told to stop.
    pub(super) fn keep(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.tasks.spawn(work).abort_handle()
    }

    /// Takes no more calls, and waits for those that run, but not for a server that hangs.
    pub(super) async fn close(&self) {
        self.room.close();
        self.tasks.close();
        _ = timeout(self.deadline, self.tasks.wait()).await;
    }
}

pub(super) fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable {
        reason: reason.to_owned(),
    }
}
