//! The API, from the outside: a real server on a port of its own, a real store, a scripted model.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod administration;
mod bad_input;
mod chat;
mod client;
mod contract;
mod credentials;
mod health;
mod limits;
mod log;
mod openai;
mod page;
mod quotas;
mod reading;
mod responses;
mod shutdown;
mod template;
mod threats;
mod world;
