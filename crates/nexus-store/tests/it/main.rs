//! The stores, from the outside: one contract that all of them keep, and what is special to each.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod contract;
mod crash;
mod edited;
mod embedded;
#[cfg(feature = "mongo")]
mod mongo;
mod open;
mod samples;
