//! HTTP, and nothing else: what a request means is decided below, in `nexus-run`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`router`](mod@router) | every route, in one list |
//! | [`mod@serve`] | the accept loop, with its limits and its shutdown |
//! | `caller` | whose request it is: [`Caller`], [`Member`], [`Admin`] |
//! | [`error`] | [`ApiError`]: what a client is told when something fails |
//! | `body` | JSON that comes in |
//! | `observe` | what every answer carries, and the one log line of each request |
//! | `routes` | the handlers |
//! | `sse` | the events of a run, as bytes |
//! | `web` | the page |

mod body;
mod caller;
pub mod error;
mod observe;
pub mod router;
mod routes;
pub mod serve;
mod sse;
mod web;

use std::sync::Arc;
use std::time::Duration;

use nexus_run::Orchestrator;
use tokio_util::sync::CancellationToken;

pub use caller::{Admin, Caller, Member};
pub use error::ApiError;
pub use router::{Access, Route, router, routes};
pub use serve::serve;

/// What every request can reach.
#[derive(Clone)]
pub struct AppState {
    /// Starts runs; holds the store, the gate and the template.
    pub orchestrator: Arc<Orchestrator>,
    /// When it is cancelled, the server is not ready any more, and open streams come to their end.
    pub shutdown: CancellationToken,
    /// How long a stream may go on after that.
    pub grace: Duration,
}

impl AppState {
    /// The state of a server that stops when `shutdown` is cancelled, and gives open streams
    /// 20 seconds then.
    #[must_use]
    pub const fn new(orchestrator: Arc<Orchestrator>, shutdown: CancellationToken) -> Self {
        Self {
            orchestrator,
            shutdown,
            grace: Duration::from_secs(20),
        }
    }
}
