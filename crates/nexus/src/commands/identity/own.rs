//! `nexus identity register|forget`: one's own identity, at the server where one is signed in.

use nexus_core::CommandName;

use super::confirm;
use crate::cli;
use crate::failure::Failure;
use crate::remote::{Given, Remote, run};
use crate::{Shell, outcome};

pub(super) async fn register(shell: &Shell, arguments: &cli::Remote) -> Result<(), Failure> {
    let remote = Remote::open(arguments)?;
    run(shell, &remote, CommandName::Identity, Given::new()).await
}

pub(super) async fn forget(
    shell: &Shell,
    arguments: &cli::Remote,
    yes: bool,
) -> Result<(), Failure> {
    let remote = Remote::open(arguments)?;
    let (key, server) = (remote.profile.public_key, &remote.connection.server);
    let question = format!("Erase {key} at {server}, with every setting, message and API key?");
    if !yes && !confirm(shell, &question)? {
        shell.output.note("nothing was erased");
        return Ok(());
    }
    let erased = remote.execute(CommandName::IdentityDelete, Given::new());
    outcome::print(&shell.output, &erased.await?);
    // The sessions are gone with the identity. The key is still theirs.
    remote.file.remove()
}
