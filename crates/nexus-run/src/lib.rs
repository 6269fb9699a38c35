//! One chat message, from arrival to the stored answer.
//!
//! Start reading at [`Orchestrator`]: its `run` is the whole story in one function.
//!
//! | module | what it holds |
//! |---|---|
//! | [`orchestrator`] | [`Orchestrator`]: the run |
//! | [`gate`] | [`Gate`]: whose token this is, and whether they are a member |
//! | `again` | a stored question that is asked again |
//! | [`client`] | what a program brings along that speaks OpenAI's protocol, and what of it may pass |
//! | [`context`] | [`RunContext`]: everything one run knows; what the model is shown |
//! | [`generate`] | one turn with the model |
//! | [`sign_in`] | [`SignIn`]: sessions for people, proofs for single requests |
//! | [`stream`] | [`RunStream`]: the events of a run, which also drives it |
//! | [`tools`] | [`Tool`], [`ToolBox`]: what a model may call, and the limits |
//! | [`limiter`] | [`Limiter`]: who may have how much, now |
//! | `record` | the one line that a run leaves in the log |
//! | [`runs`] | [`Runs`]: the runs in progress on this node |
//! | [`saving`] | stores what a run says, however long the store takes |
//! | [`spent`] | what a run used of its model |
//! | `unanswered` | what a question keeps of a run that gave no answer |
//! | [`live`] | [`LiveTemplate`]: the template in force |
//! | [`purge`] | removes what has no further use |
//! | [`proposal`] | [`Proposal`]: a new template, checked and compared before it is stored |
//! | [`commands`] | [`Commands`]: executes what a person tells Nexus to do |
//! | [`export`] | [`Export`]: everything that is stored about one person |
//! | [`personal`] | what is in force for one person |
//! | [`error`] | [`RunError`] |

mod again;
pub mod client;
pub mod commands;
pub mod context;
pub mod error;
pub mod export;
pub mod gate;
pub mod generate;
pub mod limiter;
pub mod live;
pub mod orchestrator;
pub mod personal;
pub mod proposal;
pub mod purge;
mod record;
pub mod runs;
pub mod saving;
pub mod sign_in;
pub mod spent;
pub mod stream;
pub mod tools;
mod unanswered;

pub use client::{ClientRefusal, ClientTurn};
pub use commands::{
    Administration, Authority, CommandFailure, Commands, Order, Outcome, Registration,
};
pub use context::{Ask, Question, RunContext, StopCause};
pub use error::RunError;
pub use export::Export;
pub use gate::{Credential, Gate};
pub use limiter::{Limiter, MemoryFull, Permit, Reserved, Sharing};
pub use live::{LiveTemplate, TemplateHealth};
pub use orchestrator::{Admitted, NewRun, Orchestrator};
pub use proposal::{Destination, Proposal, ProposalError};
pub use purge::keep_purging;
pub use runs::{Cancelled, Runs};
pub use sign_in::{NewSession, Proof, ProofError, SignIn, SignInError, SignedChallenge};
pub use stream::{OnDisconnect, RunStream};
pub use tools::{CurrentTime, McpTools, Tool, ToolBox, ToolServers};
