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
#[expect(dead_code, reason = "the tests of the connections need more of it")]
#[path = "../../../nexus-mcp/tests/it/world.rs"]
mod mcp;
mod personal;
mod proposal;
mod real_tools;
mod tools;
mod world;
