//! The types and rules of Nexus. Nothing here is async and nothing here does I/O, so every rule
//! can be read, tested and reasoned about on its own.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`] | [`PublicKey`], [`RunId`], [`MessageId`], [`ApiKeyId`]: names that validate |
//! | [`message`] | [`Message`], [`Role`]: what is stored of a conversation |
//! | [`identity`] | [`Identity`], [`Standing`], [`Admission`], [`Member`]: who is registered and who is let in |
//! | [`token`] | [`Token`], [`TokenDigest`]: what a client presents, what is stored of it |
//! | [`session`] | [`Session`], [`Scope`]: whom a token speaks for, and until when |
//! | [`api_key`] | [`ApiKey`], [`ApiScope`]: what a program may do in a person's name |
//! | [`audit`] | [`AuditEntry`]: what was changed and by whom, in a chain that shows tampering |
//! | [`usage`] | [`UsageKey`], [`UsageCount`]: what was used, by whom, of which model |
//! | [`auth`] | sign-in and signed requests: what a key proves |
//! | [`text`], [`label`] | which characters free text and names may contain |
//! | [`limits`], [`price`] | how much anybody may have, and what it costs |
//! | [`genesis`] | [`GenesisDoc`](genesis::GenesisDoc) (stored) → [`Genesis`] (checked) |
//! | [`catalog`] | [`Model`], [`Provider`]: what can be asked, and where |
//! | [`clients`] | [`ClientRules`]: what programs may say that speak OpenAI's protocol |
//! | [`command`] | [`Command`]: what a person can tell Nexus to do |
//! | [`egress`] | [`Secrets`](egress::Secrets), [`PinnedKey`](egress::PinnedKey): what may leave this server, and for where |
//! | [`field`] | [`Field`]: the closed set of things a person can set |
//! | [`policy`] | locks and bounds |
//! | [`overrides`] | what one person changed, and the only way to change it |
//! | [`profile`] | [`EffectiveProfile::resolve`]: the merge, with provenance |
//! | [`plan`] | [`Plan`](plan::Plan): what a new template would change, before it is stored |
//! | [`event`] | [`RunEvent`]: what a client sees of a run |
//! | [`tools`] | [`ToolName`], [`ToolServer`](tools::ToolServer): which tools there are, by name |
//! | [`clock`] | [`Clock`]: where time comes from |

pub mod api_key;
pub mod audit;
pub mod auth;
pub mod catalog;
pub mod clients;
pub mod clock;
pub mod command;
pub mod egress;
pub mod event;
pub mod field;
pub mod genesis;
pub mod hex;
pub mod identity;
pub mod ids;
pub mod label;
pub mod limits;
pub mod message;
pub mod overrides;
pub mod plan;
pub mod policy;
pub mod price;
pub mod profile;
pub mod session;
pub mod text;
pub mod token;
pub mod tools;
pub mod usage;

pub use api_key::{ApiKey, ApiScope, ApiScopes};
pub use audit::{AuditEntry, AuditHead, NewAudit};
pub use catalog::{Model, Provider};
pub use chrono_tz::Tz;
pub use clients::ClientRules;
pub use clock::{Clock, SystemClock};
pub use command::{Command, CommandName};
pub use event::RunEvent;
pub use field::{ConfigField, Field, PromptName};
pub use genesis::{Environment, Genesis};
pub use identity::{Admission, Identity, IdentityWrite, Member, Standing};
pub use ids::{ApiKeyId, CounterId, MessageId, NodeId, NonceId, PublicKey, RunId};
pub use label::Label;
pub use limits::{Limit, LimitReached, Limits};
pub use message::{Message, Metadata, Role};
pub use overrides::{OverrideTarget, OverrideWrite, Overrides};
pub use price::Price;
pub use profile::{EffectiveProfile, Layer};
pub use session::{Scope, Session, SessionId};
pub use token::{Token, TokenDigest, TokenKind};
pub use tools::ToolName;
pub use usage::{Usage, UsageCount, UsageKey};

/// A moment, in UTC. Nexus keeps milliseconds, as MongoDB dates do.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
