//! Model providers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`request`] | [`ChatRequest`]: one turn with a model, the same for every provider |
//! | [`form`] | [`ClientForm`]: what a program that speaks OpenAI's protocol wants beside |
//! | `client_message` | a message of such a program, as it came and as Nexus reads it |
//! | `context_length` | what servers of one's own say of how much their models read |
//! | [`delta`] | [`Delta`]: what comes back |
//! | [`error`] | [`LlmError`]: what can go wrong, by what the caller can do about it |
//! | [`LlmClient`] | the model that asks the provider named by the request |
//! | `protocol` | what every wire protocol does, without a connection: request → body, frame → [`Delta`] |
//! | `openai`, `anthropic`, `gemini` | the wire protocols |
//! | `turns`, `call_ids`, `address` | what goes into requests of several protocols |
//! | `lenient`, `report` | what is read in answers of all protocols: odd fields, errors |
//! | `sse` | bytes → events |
//! | `transport` | requests and their answers, over the client of `nexus-egress` |
//! | `remote`, `answer` | one turn over HTTP, within limits of time and size |
//! | [`Resilient`] | wraps a model: retries, breaker, fallbacks, one deadline over all of it |
//! | [`tokens`] | estimates of tokens, where no provider counted |
//! | `failures` | words errors, blots out keys |
//! | `builtin` | the `echo` model, in this process |
//!
//! [`LanguageModel`] is the only seam between Nexus and models: a run is tested with a scripted one.

mod address;
mod answer;
mod anthropic;
mod builtin;
mod call_ids;
mod client;
mod client_message;
mod context_length;
pub mod delta;
pub mod error;
mod failures;
pub mod form;
mod gemini;
mod lenient;
mod openai;
mod protocol;
mod remote;
mod report;
pub mod request;
mod resilient;
mod sse;
mod timers;
pub mod tokens;
mod transport;
mod turns;

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use nexus_core::Model;
pub use nexus_egress::{AddressRules, Broken, SetupError};

pub use client::LlmClient;
pub use client_message::ClientMessage;
pub use context_length::{ContextLength, LengthSource};
pub use delta::{Delta, Finish, FinishReason};
pub use error::{LlmError, RetryHint};
pub use form::{ClientForm, Delivery, FormError, ToolChoice};
pub use remote::{Diagnosis, Obstacle, Reachability};
pub use request::{ChatMessage, ChatRequest, Image, Requester, ToolCall, ToolSpec, UserPart};
pub use resilient::{Jitter, Resilient, Trouble};
pub use timers::Timers;

/// Something that answers a [`ChatRequest`].
pub trait LanguageModel: Send + Sync {
    /// One turn. The stream yields any number of pieces, then exactly one [`Delta::Finished`] or
    /// one error, and then ends. Dropping it cancels the request to the provider.
    fn stream(&self, request: Arc<ChatRequest>) -> BoxStream<'static, Result<Delta, LlmError>>;

    /// How many tokens a model reads and writes together, as its server says, where that is a server
    /// of one's own. It is asked now and then; that takes at most a few seconds.
    fn context_length<'a>(&'a self, _: &'a Model) -> BoxFuture<'a, Option<ContextLength>> {
        std::future::ready(None).boxed()
    }

    /// What is wrong with a model at the moment, as far as earlier requests have shown.
    fn trouble(&self, _: &Model) -> Option<Trouble> {
        None
    }
}
