//! `nexus identity approve|disable|enable`: who is let in.

use nexus_api::identity::{self as api, StandingChange};
use nexus_core::{IdentityWrite, PublicKey, Standing};

use super::{find, server};
use crate::cli::Person;
use crate::failure::Failure;
use crate::{Shell, here, wire};

/// What becomes of somebody.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decision {
    Approve,
    Disable,
    Enable,
}

impl Decision {
    pub(super) const fn standing(self) -> Standing {
        match self {
            Self::Approve | Self::Enable => Standing::Active,
            Self::Disable => Standing::Disabled,
        }
    }

    /// What a server is told.
    pub(super) const fn change(self) -> StandingChange {
        StandingChange {
            standing: match self {
                Self::Approve | Self::Enable => api::Decision::Active,
                Self::Disable => api::Decision::Disabled,
            },
        }
    }

    /// Why this is not what was meant for somebody of this standing.
    pub(super) fn objection(self, key: PublicKey, before: Standing) -> Option<Failure> {
        match (self, before) {
            (Self::Approve, Standing::Disabled) => Some(
                Failure::new(format!("{key} does not wait: it is disabled"))
                    .hint(format!("`nexus identity enable {key}` lets them in again")),
            ),
            (Self::Enable, Standing::Pending) => Some(
                Failure::new(format!("{key} was never let in: it waits"))
                    .hint(format!("`nexus identity approve {key}` lets them in")),
            ),
            _ => None,
        }
    }
}

pub(super) async fn decide(
    shell: &Shell,
    Person { key, at }: Person,
    decision: Decision,
) -> Result<(), Failure> {
    if let Some(remote) = at.remote() {
        return server::decide(shell, &remote, key, decision).await;
    }
    let store = wire::open_existing(&shell.settings).await?;
    let before = find(&*store, key).await?.standing;
    if let Some(objection) = decision.objection(key, before) {
        return Err(objection);
    }
    let write = IdentityWrite::Standing(decision.standing());
    let now = here::administration(&*store).change(key, write).await?;
    if shell.output.json {
        shell.output.data(&now.to_json());
    } else {
        tell(shell, key, before, now.standing);
    }
    Ok(())
}

/// What came of it.
pub(super) fn tell(shell: &Shell, key: PublicKey, before: Standing, now: Standing) {
    let (before, now) = (before.as_str(), now.as_str());
    shell.output.note(if before == now {
        format!("{key} is {now} already")
    } else {
        format!("{key} is {now} now, it was {before}")
    });
}
