//! One chat message, from arrival to the stored answer.
//!
//! Start reading at [`Orchestrator`]: its `run` is the whole story in one function.
//!
//! | module | what it holds |
//! |---|---|
//! | [`orchestrator`] | [`Orchestrator`]: the run |
//! | [`gate`] | [`Gate`]: whose token this is, and whether they are a member |
//! | [`context`] | [`RunContext`]: everything one run knows; what the model is shown |
//! | [`generate`] | one turn with the model |
//! | [`stream`] | [`RunStream`]: the events of a run, which also drives it |
//! | [`tools`] | [`Tool`], [`ToolBox`]: what a model may call, and the limits |
//! | [`live`] | [`LiveTemplate`]: the template in force |
//! | [`proposal`] | [`Proposal`]: a new template, checked and compared before it is stored |
//! | [`personal`] | reading and changing what one person set |
//! | [`error`] | [`RunError`] |

pub mod context;
pub mod error;
pub mod gate;
pub mod generate;
pub mod live;
pub mod orchestrator;
pub mod personal;
pub mod proposal;
pub mod stream;
pub mod tools;

pub use context::{Question, RunContext};
pub use error::RunError;
pub use gate::Gate;
pub use live::{LiveTemplate, TemplateHealth};
pub use orchestrator::{NewRun, Orchestrator};
pub use proposal::{Destination, Proposal, ProposalError};
pub use stream::{OnDisconnect, RunStream};
pub use tools::{CurrentTime, McpTools, Tool, ToolBox, ToolServers};
