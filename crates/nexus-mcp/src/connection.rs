//! The life of one connection: opened, watched, opened again after a failure, closed when nobody
//! has needed it for a while.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use nexus_core::tools::ToolServer;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::Shared;
use crate::session::{self, Opened, Session};

/// How long opening may take: the program starts, shakes hands, and lists its tools.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may take to go when it is told to.
const CLOSE: Duration = Duration::from_secs(8);
/// A connection that nobody needed for so long is closed.
const IDLE: Duration = Duration::from_mins(10);
/// The first and the longest wait before another attempt.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// A connection that lived so long had been a good one.
const STEADY: Duration = Duration::from_mins(1);

/// Why the tools of a server cannot be called now. Shown, it is for everybody. Nothing secret is in
/// it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Down {
    reason: Arc<str>,
    advice: Option<Arc<str>>,
}

impl Down {
    pub(crate) fn new(reason: impl Into<Arc<str>>) -> Self {
        Self {
            reason: reason.into(),
            advice: None,
        }
    }

    pub(crate) fn with_advice(mut self, advice: Option<String>) -> Self {
        self.advice = advice.map(Into::into);
        self
    }

    /// The same, while something was done.
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.reason = format!("{what}: {}", self.reason).into();
        self
    }

    /// More about it, for whoever runs the server only: it may name addresses inside the network.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    pub(crate) fn stopping() -> Self {
        Self::new("Nexus is stopping")
    }
}

#[derive(Debug)]
enum State {
    /// The first attempt is under way.
    Opening,
    Open(Arc<Session>),
    Down(Down),
}

/// A connection to one server, open or not.
#[derive(Debug)]
pub(crate) struct Connection {
    server: Arc<ToolServer>,
    state: watch::Sender<State>,
    wanted: watch::Sender<Instant>,
}

impl Connection {
    pub(crate) fn new(server: Arc<ToolServer>) -> Self {
        Self {
            server,
            state: watch::Sender::new(State::Opening),
            wanted: watch::Sender::new(Instant::now()),
        }
    }

    pub(crate) fn is_to(&self, server: &Arc<ToolServer>) -> bool {
        Arc::ptr_eq(&self.server, server) || self.server.is_same(server)
    }

    pub(crate) fn note_wanted(&self) {
        self.wanted.send_replace(Instant::now());
    }

    /// What is known; waits only while the first attempt is under way.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, Down> {
        let mut state = self.state.subscribe();
        let state = state
            .wait_for(|state| !matches!(state, State::Opening))
            .await;
        match state.as_deref() {
            Ok(State::Open(session)) => Ok(Arc::clone(session)),
            Ok(State::Down(reason)) => Err(reason.clone()),
            Ok(State::Opening) | Err(_) => Err(Down::stopping()),
        }
    }

    /// Ends when nobody has wanted the connection for [`IDLE`].
    async fn idle(&self) {
        loop {
            let until = *self.wanted.borrow() + IDLE;
            sleep_until(until).await;
            if self.is_idle() {
                return;
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.wanted.borrow().elapsed() >= IDLE
    }

    fn put(&self, state: State) {
        self.state.send_replace(state);
    }
}

/// Keeps a connection open until nobody needs it, or everything stops.
pub(crate) async fn keep(shared: Arc<Shared>, connection: Arc<Connection>) {
    let name = &*connection.server.name;
    let mut failures = 0;
    loop {
        let opening = timeout(CONNECT, session::open(&shared, &connection.server));
        let opened = tokio::select! {
            () = shared.stop.cancelled() => break,
            opened = opening => opened.unwrap_or_else(|_| Err(Down::new(
                format!("no answer within {} seconds", CONNECT.as_secs()),
            ))),
        };
        let reason = match opened {
            Ok(opened) => {
                tracing::info!(
                    server = name,
                    tools = opened.tools(),
                    "a tool server is connected"
                );
                let since = Instant::now();
                let Some(reason) = attend(&shared, &connection, opened).await else {
                    break;
                };
                if since.elapsed() >= STEADY {
                    failures = 0;
                }
                reason
            }
            Err(reason) => reason,
        };
        let advice = reason.advice();
        tracing::warn!(server = name, %reason, advice, "the tools of a server are away");
        connection.put(State::Down(reason));
        failures += 1;
        tokio::select! {
            () = shared.stop.cancelled() => break,
            () = connection.idle() => {}
            () = sleep(backoff(failures)) => continue,
        }
        if forget(&shared, &connection) {
            break;
        }
    }
    connection.put(State::Down(Down::stopping()));
    shared.lock().retain(|it| !Arc::ptr_eq(it, &connection));
}

/// Serves an open connection. Returns why it was lost, or nothing when it was closed on purpose.
async fn attend(shared: &Shared, connection: &Connection, opened: Opened) -> Option<Down> {
    let Opened {
        mut session,
        service,
        changed,
    } = opened;
    connection.put(State::Open(Arc::clone(&session)));
    let cancel = service.cancellation_token();
    let mut closed = pin!(service.waiting());
    let lost = loop {
        tokio::select! {
            _ = &mut closed => return Some(Down::new("the server ended the connection")),
            () = session.broken() => break Some(Down::new("the connection broke during a call")),
            () = shared.stop.cancelled() => break None,
            () = connection.idle() => if forget(shared, connection) { break None },
            () = changed.notified() => match timeout(CONNECT, session.listed_again()).await {
                Ok(Ok(renewed)) => {
                    tracing::info!(server = &*connection.server.name, "a tool server has other tools now");
                    session = renewed;
                    connection.put(State::Open(Arc::clone(&session)));
                }
                Ok(Err(reason)) => break Some(reason),
                Err(_) => break Some(Down::new("it did not list its tools in time")),
            },
        }
    };
    cancel.cancel();
    close(closed).await;
    lost
}

async fn close(closed: impl Future) {
    if timeout(CLOSE, closed).await.is_err() {
        tracing::warn!("a tool server did not go in time");
    }
}

/// Takes a connection out of the list, unless somebody has just asked for it.
fn forget(shared: &Shared, connection: &Connection) -> bool {
    let mut connections = shared.lock();
    if !connection.is_idle() {
        return false;
    }
    connections.retain(|it| !std::ptr::eq(&raw const **it, connection));
    true
}

fn backoff(failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    let doublings = failures.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer_and_never_stop() {
        let waits: Vec<_> = [1, 2, 3, 6, 7, u32::MAX]
            .map(|it| backoff(it).as_secs())
            .into();
        assert_eq!(waits, [1, 2, 4, 32, 60, 60]);
    }
}
