//! The command line of those who run the server on this machine.

use clap::{Args, Subcommand};
use nexus_core::{AuditHead, PublicKey};

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Doctor {
    /// Ask one model of each provider for a few words too, which costs money
    #[arg(long)]
    pub(crate) ask: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Make somebody an administrator of this server
    Grant {
        /// The address; it must be registered
        key: PublicKey,
    },
    /// Make them a member as others are
    Revoke {
        /// The address
        key: PublicKey,
    },
    /// List the administrators
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List what was changed, by whom, the newest at the end
    List {
        /// How many entries
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Check that nobody rewrote it; the exit code is 1 if somebody did
    Verify {
        /// What `verify` printed before: also tells whether entries at the end were taken away
        #[arg(long, value_name = "SEQ:HASH", value_parser = head)]
        expect_head: Option<AuditHead>,
    },
}

fn head(text: &str) -> Result<AuditHead, String> {
    let expected = "expected a number, a colon and 64 hexadecimal digits, as verify prints it";
    let (seq, hash) = text.split_once(':').ok_or(expected)?;
    match (seq.parse(), hash.parse()) {
        (Ok(seq), Ok(hash)) => Ok(AuditHead { seq, hash }),
        _ => Err(expected.to_owned()),
    }
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// One person only, day by day
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<PublicKey>,
    /// How many days, today included
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(crate) days: u16,
}
