//! Proofs of `docs/regressions.md`: each test drives the running program from outside, and names the
//! ids that it proves in the first line of its documentation.
//!
//! `NEXUS_BINARY` names another program to drive: `scripts/regressions` shows with it how an older
//! one fails.

mod abuse;
mod budgets;
mod context;
mod foreign_text;
mod moving_in;
mod operation;
mod provider;
mod runs;
mod specification;
mod store;
