//! What a caller of `nexus-llm` sees, against providers that behave and providers that do not.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod builtin;
mod double;
mod egress;
mod exchanges;
mod faults;
mod matrix;
mod passing;
mod pool;
mod posing;
mod reach;
#[cfg(feature = "scripted")]
mod scripted;
mod support;
mod vendors;
