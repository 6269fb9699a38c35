//! The rules of Nexus, seen from outside the crate.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod laws;
mod plan;
mod resolution;
mod template;
mod templates;
mod tools;
