//! Drives the real program: its commands, its server, its exit codes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod audit;
mod chat;
mod clients;
mod contract;
mod crash;
mod doctor;
mod egress;
mod examples;
mod http;
mod init;
mod live_template;
mod migrate;
mod nodes;
mod people;
mod program;
mod provider;
mod real_model;
mod regressions;
mod remote_admin;
mod scripted;
mod serve;
mod shared_trust;
mod sign_in;
mod template;
mod tools;
mod usage;

use nexus_test_support::mongo as mongod;
