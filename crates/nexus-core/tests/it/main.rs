//! The rules of Nexus, seen from outside the crate.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod auth;
mod egress;
mod laws;
mod plan;
mod resolution;
mod template;
mod templates;
mod tools;
