//! HTTP, and nothing else: what a request means is decided below, in `nexus-run`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`router`](mod@router) | every route, in one list |
//! | [`mod@serve`] | the accept loop, with its limits and its shutdown |
//! | `admission` | what is decided before a body is read |
//! | `caller` | whose request it is: [`Caller`], [`Member`], [`Admin`] |
//! | [`origins`] | [`Origins`]: under which addresses the server is known |
//! | `peer` | from where a request comes: [`TrustedProxies`] |
//! | `proof` | a body together with the signature that its request carries |
//! | [`error`] | [`ApiError`]: what a client is told when something fails |
//! | `compress` | smaller answers to those who read |
//! | `body` | JSON that comes in |
//! | `drain` | refusals that reach a client which still sends |
//! | `object` | objects of JSON in which each name stands once |
//! | `observe` | what every answer carries, and the one log line of each request |
//! | `routes` | the handlers |
//! | `openai` | the same runs for programs that speak OpenAI's protocol |
//! | `run_headers` | what headers ask of a run, and say about it |
//! | `revocation` | stops a stream whose credential was revoked |
//! | `sse` | the events of a run, as bytes |
//! | `web` | the page |

mod admission;
mod body;
mod caller;
mod compress;
mod cookie;
mod drain;
pub mod error;
mod observe;
mod openai;
pub mod origins;
mod peer;
mod proof;
mod revocation;
pub mod router;
mod routes;
mod run_headers;
pub mod serve;
mod sse;
mod web;

use std::sync::Arc;
use std::time::Duration;

use nexus_core::PublicKey;
use nexus_run::{Commands, Orchestrator, SignIn};
use tokio_util::sync::CancellationToken;

pub use caller::{Admin, Caller, Member, SignedIn};
pub use error::ApiError;
pub use origins::Origins;
pub use peer::TrustedProxies;
pub use router::{Access, Route, router, routes};
pub use routes::health::StoreHealth;
pub use serve::{ConnectionLimits, serve};

/// What every request can reach.
#[derive(Clone)]
pub struct AppState {
    /// Starts runs; holds the store, the gate and the template.
    pub orchestrator: Arc<Orchestrator>,
    /// Executes what people tell Nexus to do.
    pub commands: Arc<Commands>,
    /// Signs people in, and checks what they sign.
    pub sign_in: Arc<SignIn>,
    /// Under which addresses the server is known.
    pub origins: Origins,
    /// Administrators, as boot configuration names them.
    pub admins: Arc<[PublicKey]>,
    /// Proxies that may say for whom they speak.
    pub trusted_proxies: TrustedProxies,
    /// When it is cancelled, the server is not ready any more, and open streams come to their end.
    pub shutdown: CancellationToken,
    /// How long a stream may go on after that.
    pub grace: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// Whether the store answered lately.
    pub store_health: StoreHealth,
}

/// How long a body may usually take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
