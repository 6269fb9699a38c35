//! What a caller of `nexus-llm` sees, against providers that behave and providers that do not.

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod builtin;
mod egress;
mod exchanges;
mod faults;
mod matrix;
mod passing;
mod pool;
mod posing;
mod reach;
mod resilient;
mod scripted;
mod support;
mod vendors;
