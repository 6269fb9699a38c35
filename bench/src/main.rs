//! `nexus-bench`: what a chat turn costs. One program with several roles; each role is a process of
//! its own, so that the kernel can tell whose CPU time it is.

mod http1;
mod latencies;
mod load;
mod process;
mod provider;
mod proxy;
mod run;

use clap::{Parser, Subcommand};

/// Measures what a chat turn costs, beside plain reverse proxies in the same run.
#[derive(Debug, Parser)]
#[command(name = "nexus-bench", version)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Start everything, measure, print the tables
    Run(run::Options),
    /// Pose as a model provider that streams answers of 50 pieces
    Provider(provider::Options),
    /// Send requests as a plan on standard input says
    Load,
    /// Pass everything on to one upstream server
    Proxy(proxy::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().role {
        Role::Run(options) => run::run(&options),
        Role::Provider(options) => alone(provider::serve(options)),
        Role::Load => load::obey(),
        Role::Proxy(options) => alone(proxy::serve(options)),
    }
}

/// Runs on this thread only.
fn alone<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
