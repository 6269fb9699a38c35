//! The types and rules of Nexus. Nothing here is async and nothing here does I/O, so every rule
//! can be read, tested and reasoned about on its own.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`] | [`PublicKey`], [`RunId`], [`MessageId`]: names that validate |
//! | [`message`] | [`Message`], [`Role`]: what is stored of a conversation |
//! | [`identity`] | [`Identity`], [`Admission`]: who is a member and who is a visitor |
//! | [`token`] | [`Token`], [`TokenDigest`], [`Session`], [`Scope`]: what a client presents, what is stored of it |
//! | [`text`] | which characters free text may contain |
//! | [`genesis`] | [`GenesisDoc`](genesis::GenesisDoc) (stored) → [`Genesis`] (checked) |
//! | [`catalog`] | [`Model`], [`Provider`]: what can be asked, and where |
//! | [`field`] | [`Field`]: the closed set of things a person can set |
//! | [`policy`] | locks and bounds |
//! | [`overrides`] | what one person changed, and the only way to change it |
//! | [`profile`] | [`EffectiveProfile::resolve`]: the merge, with provenance |
//! | [`plan`] | [`Plan`](plan::Plan): what a new template would change, before it is stored |
//! | [`event`] | [`RunEvent`]: what a client sees of a run |
//! | [`tools`] | [`ToolName`], [`ToolServer`](tools::ToolServer): which tools there are, by name |
//! | [`clock`] | [`Clock`]: where time comes from |

pub mod catalog;
pub mod clock;
pub mod event;
pub mod field;
pub mod genesis;
pub mod identity;
pub mod ids;
pub mod message;
pub mod overrides;
pub mod plan;
pub mod policy;
pub mod profile;
pub mod text;
pub mod token;
pub mod tools;

pub use catalog::{Model, Provider};
pub use clock::{Clock, SystemClock};
pub use event::RunEvent;
pub use field::{ConfigField, Field, PromptName};
pub use genesis::{Environment, Genesis};
pub use identity::{Admission, Identity};
pub use ids::{MessageId, PublicKey, RunId};
pub use message::{Message, Metadata, Role};
pub use overrides::{OverrideWrite, Overrides};
pub use profile::{EffectiveProfile, Layer};
pub use token::{Scope, Session, Token, TokenDigest};
pub use tools::ToolName;

/// A moment, in UTC. Nexus keeps milliseconds, as MongoDB dates do.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
