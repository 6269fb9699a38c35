//! The provider of these tests: a closure decides what it answers.

pub(crate) use nexus_test_support::provider::{Provider, Request, end, piece as chunk};
