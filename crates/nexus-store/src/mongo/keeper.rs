//! Keeps a database ready: its indexes are made, and its changes are listened to.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::calls::Calls;
use super::changes::Changes;
use super::data::Data;
use super::pulse::Pulse;
use super::stream::Listener;
use crate::StoreError;

/// How long to wait before the indexes are tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// Whether the database can be used.
#[derive(Clone, Debug)]
pub(super) enum Readiness {
    /// Nothing is known yet.
    Starting,
    /// The indexes are there.
    Ready,
    /// They are not, and this is why. It is tried again.
    Waiting(StoreError),
}

impl Readiness {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Ready => Ok(()),
            Self::Waiting(error) => Err(error.clone()),
            Self::Starting => Err(StoreError::Unavailable {
                reason: "the indexes of the database are being made".to_owned(),
            }),
        }
    }
}

/// Prepares the database as soon as it is there, listens to its changes, and prepares it again
/// when somebody has changed what that made.
pub(super) async fn keep(
    data: Arc<Data>,
    changes: Changes,
    calls: Calls,
    state: watch::Sender<Readiness>,
) {
    let pulse = Arc::new(Pulse::new(changes.clone()));
    let listener = Listener::new(Arc::clone(&data), changes, Arc::clone(&pulse), calls);
    prepare(&data, &state).await;
    let listening = async {
        loop {
            let ready = || {
                state.send_if_modified(|state| {
                    let is_news = !matches!(state, Readiness::Ready);
                    *state = Readiness::Ready;
                    is_news
                });
            };
            listener.follow(ready).await;
            prepare(&data, &state).await;
        }
    };
    tokio::join!(listening, pulse.beat(&data), pulse.doubt_templates());
}

/// Tries until it is done.
async fn prepare(data: &Data, state: &watch::Sender<Readiness>) {
    while let Err(error) = data.prepare().await {
        let reason = error.to_string();
        let is_news = state.send_if_modified(|state| {
            let is_news =
                !matches!(state, Readiness::Waiting(known) if known.to_string() == reason);
            *state = Readiness::Waiting(error);
            is_news
        });
        if is_news {
            tracing::warn!(reason, "the database cannot be used: trying again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}
