//! Real MCP servers, and one that misbehaves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod egress;
mod misbehaviour;
mod real;
