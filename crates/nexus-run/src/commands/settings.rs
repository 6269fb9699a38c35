//! `config.set`, `config.unset`, `prompt.set`, `prompt.unset`, `time_zone.set`, `time_zone.unset`.

use nexus_api::command::Data;
use nexus_api::profile::{FieldChanged, TimeZone};
use nexus_core::audit::{Change, Details};
use nexus_core::identity::TIME_ZONE;
use nexus_core::{Genesis, Identity, OverrideTarget, OverrideWrite};
use nexus_store::StoreError;
use serde_json::Value;

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
        let target = write.target();
        for _ in 0..ATTEMPTS {
            let member = self.member_now(record.subject).await?;
            let before = stored(&member, target);
            let change = Change::new(before.as_ref(), write.value());
            let details = Details::from([(target.to_string(), change)]);
            record.write_about_subject(details).await?;
            match self.store.write_override(&member, write).await {
                Ok(identity) => {
                    return Ok(changed(genesis, &identity, target));
                }
                // Somebody else changed it in between, or it is gone: look again.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RunError::Busy.into())
    }
}

/// The value that is stored now.
fn stored(identity: &Identity, target: &OverrideTarget) -> Option<Value> {
    match target {
        OverrideTarget::Field(field) => identity.overrides.get(field),
        OverrideTarget::Unknown(key) => Some(key.value.clone()),
        OverrideTarget::TimeZone => identity.metadata.get(TIME_ZONE).cloned(),
    }
}

fn changed(genesis: &Genesis, identity: &Identity, target: &OverrideTarget) -> Data {
    let now = match target {
        OverrideTarget::Field(field) => {
            let (fields, name) = (fields(genesis, identity), field.to_string());
            fields.into_iter().find(|it| it.field == name)
        }
        OverrideTarget::Unknown(_) => None,
        OverrideTarget::TimeZone => {
            let zone = identity.time_zone().map(chrono_tz::Tz::name);
            return Data::TimeZone(TimeZone {
                time_zone: zone.map(Into::into),
            });
        }
    };
    Data::Changed(FieldChanged {
        field: target.to_string(),
        now,
    })
}
