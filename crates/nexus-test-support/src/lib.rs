//! What the tests of all crates share. No production code depends on it.
//!
//! | module | what it holds |
//! |---|---|
//! | `app` | Nexus in this process, without HTTP (feature `app`) |
//! | [`clock`] | a clock that moves only when told to |
//! | [`log`] | what is logged, kept |
//! | [`provider`] | a model provider of every protocol, which does as the test says |
//! | `mcp` | connections to real tool servers (feature `mcp`) |
//! | `model` | a model without a connection that replays a script (feature `llm`) |
//! | `mongo` | real MongoDB servers (feature `mongo`) |
//! | `store` | a real store that asks before every call (feature `store`) |

#![expect(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "app")]
pub mod app;
pub mod clock;
pub mod log;
#[cfg(feature = "mcp")]
pub mod mcp;
#[cfg(feature = "llm")]
pub mod model;
#[cfg(feature = "mongo")]
pub mod mongo;
pub mod provider;
#[cfg(feature = "store")]
pub mod store;
