//! Runs, from the outside: the invariants that DESIGN names, each with its own test.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod administration;
mod chaos;
mod gate;
mod invariants;
mod limits;
mod live;
mod personal;
mod proposal;
mod real_tools;
mod tools;
mod world;
