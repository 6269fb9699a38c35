//! A stream that stops when the credential that began it is not accepted any more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream};
use nexus_core::RunEvent;
use nexus_run::{Credential, Gate};
use pin_project_lite::pin_project;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often the credential is looked at. Usually that reads memory only.
const PERIOD: Duration = Duration::from_millis(500);

pin_project! {
    /// Events of a run. When the credential is revoked, the run is told to stop, and only its last
    /// event gets through: who was signed out hears no more of the answer.
    pub(crate) struct WhileAccepted<S> {
        #[pin]
        run: S,
        revoked: Option<BoxFuture<'static, ()>>,
        cancel: CancellationToken,
    }
}

impl<S> WhileAccepted<S> {
    /// Watches over `run`, which `cancel` stops.
    pub(crate) fn new(
        run: S,
        gate: Arc<Gate>,
        credential: Credential,
        cancel: CancellationToken,
    ) -> Self {
        let revoked = async move {
            loop {
                sleep(PERIOD).await;
                match gate.still_accepts(&credential).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    // Nobody was revoked by a database that does not answer for a while; the next
                    // request is refused if it goes on.
                    Err(error) => tracing::debug!(%error, "a credential could not be looked at"),
                }
            }
        };
        Self::until(revoked.boxed(), run, cancel)
    }

    fn until(revoked: BoxFuture<'static, ()>, run: S, cancel: CancellationToken) -> Self {
        Self {
            run,
            revoked: Some(revoked),
            cancel,
        }
    }
}

impl<S: Stream<Item = RunEvent>> Stream for WhileAccepted<S> {
    type Item = RunEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<RunEvent>> {
        let mut this = self.project();
        if let Some(revoked) = this.revoked
            && revoked.poll_unpin(cx).is_ready()
        {
            *this.revoked = None;
            this.cancel.cancel();
        }
        loop {
            let event = ready!(this.run.as_mut().poll_next(cx));
            // What was waiting for its reader is not for them any more.
            let is_withheld =
                this.revoked.is_none() && !matches!(event, None | Some(RunEvent::RunFinished(_)));
            if !is_withheld {
                return Poll::Ready(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, future, stream};
    use nexus_core::event::{Channel, RunFinished, RunStatus};
    use nexus_core::{Clock as _, RunId, SystemClock};

    use super::*;

    fn events() -> Vec<RunEvent> {
        let chunk = |text: &str| RunEvent::TextChunk {
            chunk: text.to_owned(),
            channel: Channel::Answer,
        };
        let finished = RunFinished {
            run_id: RunId::new(SystemClock.now()),
            status: RunStatus::Interrupted,
            model: None,
            finish_reason: None,
            interrupted: None,
            usage: None,
            usage_estimated: false,
            message_ids: Vec::new(),
        };
        vec![chunk("a"), chunk("b"), RunEvent::RunFinished(finished)]
    }

    #[tokio::test]
    async fn what_waits_for_somebody_who_is_signed_out_is_withheld() {
        let all = events();
        for (revoked, passed) in [
            (future::pending().boxed(), &all[..]),
            (future::ready(()).boxed(), &all[2..]),
        ] {
            let cancel = CancellationToken::new();
            let run = stream::iter(all.clone());
            let seen = WhileAccepted::until(revoked, run, cancel.clone());
            assert_eq!(seen.collect::<Vec<_>>().await, passed);
            assert_eq!(cancel.is_cancelled(), passed.len() == 1);
        }
    }
}
