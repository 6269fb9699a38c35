//! `nexus identity approve|disable|enable`: who is let in.

use nexus_core::{Identity, IdentityWrite, PublicKey, Standing};

use super::find;
use crate::failure::Failure;
use crate::{Shell, here, wire};

pub(super) async fn approve(shell: &Shell, key: PublicKey) -> Result<(), Failure> {
    let but = |identity: &Identity| match identity.standing {
        Standing::Disabled => Some(
            Failure::new(format!("{key} does not wait: it is disabled"))
                .hint(format!("`nexus identity enable {key}` lets them in again")),
        ),
        Standing::Active | Standing::Pending => None,
    };
    change(shell, key, Standing::Active, but).await
}

pub(super) async fn disable(shell: &Shell, key: PublicKey) -> Result<(), Failure> {
    change(shell, key, Standing::Disabled, |_| None).await
}

pub(super) async fn enable(shell: &Shell, key: PublicKey) -> Result<(), Failure> {
    let but = |identity: &Identity| match identity.standing {
        Standing::Pending => Some(
            Failure::new(format!("{key} was never let in: it waits"))
                .hint(format!("`nexus identity approve {key}` lets them in")),
        ),
        Standing::Active | Standing::Disabled => None,
    };
    change(shell, key, Standing::Active, but).await
}

async fn change(
    shell: &Shell,
    key: PublicKey,
    standing: Standing,
    objection: impl Fn(&Identity) -> Option<Failure>,
) -> Result<(), Failure> {
    let store = wire::open_existing(&shell.settings).await?;
    let before = find(&*store, key).await?;
    if let Some(objection) = objection(&before) {
        return Err(objection);
    }
    let write = IdentityWrite::Standing(standing);
    let now = here::administration(&*store).change(key, write).await?;
    if shell.output.json {
        shell.output.data(&now.to_json());
        return Ok(());
    }
    let (before, now) = (before.standing.as_str(), now.standing.as_str());
    shell.output.note(if before == now {
        format!("{key} is {now} already")
    } else {
        format!("{key} is {now} now, it was {before}")
    });
    Ok(())
}
