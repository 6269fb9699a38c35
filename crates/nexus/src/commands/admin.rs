//! `nexus admin grant|revoke|list`: who may change what belongs to this server.

use nexus_core::{IdentityWrite, PublicKey, Standing};
use nexus_run::CommandFailure;
use serde_json::json;

use super::identity::{everybody, quarantine};
use crate::cli::Admin;
use crate::failure::Failure;
use crate::output::columns;
use crate::{Shell, here, wire};

pub(crate) async fn run(shell: &Shell, command: Admin) -> Result<(), Failure> {
    match command {
        Admin::Grant { key } => change(shell, key, true).await,
        Admin::Revoke { key } => {
            change(shell, key, false).await?;
            if shell.settings.admins.contains(&key) {
                shell.output.warn(
                    "the settings file names them under `admins`, so they are still one: take the \
                     line out and start the server again",
                );
            }
            Ok(())
        }
        Admin::List => list(shell).await,
    }
}

async fn change(shell: &Shell, key: PublicKey, is_admin: bool) -> Result<(), Failure> {
    let store = wire::open_existing(&shell.settings).await?;
    let write = IdentityWrite::Admin(is_admin);
    let changed = here::administration(&*store).change(key, write).await;
    let now = changed.map_err(|failure| match failure {
        CommandFailure::Pending => Failure::new(format!(
            "{key} waits to be let in, and only a member can administer: nothing was changed"
        ))
        .hint(format!(
            "first `nexus identity approve {key}`, then this again"
        )),
        CommandFailure::Disabled => Failure::new(format!(
            "{key} is disabled, and only a member can administer: nothing was changed"
        ))
        .hint(format!(
            "first `nexus identity enable {key}`, then this again"
        )),
        other => other.into(),
    })?;
    if shell.output.json {
        let facts = json!({"public_key": key, "is_admin": now.is_admin, "standing": now.standing});
        shell.output.data(&facts);
        return Ok(());
    }
    shell.output.note(format_args!(
        "{key} is {} administrator of this server",
        if is_admin { "an" } else { "no" }
    ));
    Ok(())
}

async fn list(shell: &Shell) -> Result<(), Failure> {
    let output = &shell.output;
    let store = wire::open_existing(&shell.settings).await?;
    let (people, unreadable) = everybody(&*store).await?;
    quarantine::name(output, &unreadable);
    let granted = people.into_iter().filter(|it| it.is_admin);
    let named = shell.settings.admins.iter().copied();
    let all: Vec<_> = granted
        .map(|it| (it.public_key, "nexus admin grant", it.standing))
        // The settings file lets them in, too.
        .chain(named.map(|key| (key, "the settings file", Standing::Active)))
        .collect();
    if output.json {
        let row = |(key, by, standing): &(PublicKey, &str, Standing)| json!({"public_key": key, "by": by, "standing": standing});
        output.data(&all.iter().map(row).collect::<Vec<_>>());
        return Ok(());
    }
    let rows: Vec<_> = all
        .iter()
        .map(|(key, by, standing)| {
            let remark = match standing {
                Standing::Active => String::new(),
                other => format!("{}: cannot administer", other.as_str()),
            };
            vec![key.to_string(), (*by).to_owned(), remark]
        })
        .collect();
    for line in columns(&rows) {
        output.line(line);
    }
    if all.is_empty() {
        output.note("nobody is an administrator yet: `nexus admin grant KEY` makes one");
    }
    Ok(())
}
