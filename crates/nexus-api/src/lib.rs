//! The native HTTP contract: requests, answers, events and errors of `/api/v1` and of the health
//! routes, each once. The server, the command line and the page use these types, and
//! `openapi.json` is generated from them.
//!
//! Serialisation is what clients rely on: names, types and optional fields stay as they are.

pub mod audit;
pub mod auth;
pub mod chat;
pub mod command;
pub mod error;
pub mod event;
pub mod health;
pub mod identity;
pub mod key;
pub mod message;
pub mod model;
mod object;
pub mod openapi;
pub mod profile;
pub mod quarantine;
pub mod run;
pub mod template;
pub mod tool;
pub mod usage;

pub use object::Object;
