//! `config.set`, `config.unset`, `prompt.set`, `prompt.unset`.

use nexus_core::audit::{Change, Details};
use nexus_core::{Genesis, OverrideWrite};
use nexus_store::StoreError;

use super::outcome::{Changed, Data};
use super::{ATTEMPTS, CommandFailure, Commands, Record, fields};
use crate::error::RunError;

impl Commands {
    /// Makes a change that policy has admitted.
    pub(super) async fn write(
        &self,
        record: &Record<'_>,
        genesis: &Genesis,
        write: &OverrideWrite,
    ) -> Result<Data, CommandFailure> {
        let field = write.field();
        for _ in 0..ATTEMPTS {
            let member = self.member_now(record.subject).await?;
            let before = member.overrides.get(field);
            let change = Change::new(before.as_ref(), write.value());
            let details = Details::from([(field.to_string(), change)]);
            record.write_about_subject(details).await?;
            match self.store.write_override(&member, write).await {
                Ok(identity) => {
                    let now = fields(genesis, &identity);
                    return Ok(Data::Changed(Changed {
                        field: field.clone(),
                        now: now.into_iter().find(|it| it.field == *field),
                    }));
                }
                // Somebody else changed it in between, or it is gone: look again.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RunError::Busy.into())
    }
}
