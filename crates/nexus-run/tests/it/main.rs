//! Runs, from the outside: the invariants that DESIGN names, each with its own test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod gate;
mod invariants;
mod limits;
mod live;
mod personal;
mod proposal;
mod tools;
mod world;
