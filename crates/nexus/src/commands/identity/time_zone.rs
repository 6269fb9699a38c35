//! `nexus identity time-zone`: where a person is, for what tells them the time.

use nexus_core::{Command, CommandName, PublicKey};
use serde_json::{Map, json};

use super::find;
use crate::failure::Failure;
use crate::{Shell, here, wire};

pub(super) async fn run(
    shell: &Shell,
    key: PublicKey,
    zone: Option<String>,
    unset: bool,
) -> Result<(), Failure> {
    let output = &shell.output;
    let store = wire::open_existing(&shell.settings).await?;
    let identity = find(&*store, key).await?;
    let command = match zone {
        Some(zone) => {
            let arguments = Map::from_iter([("value".to_owned(), zone.into())]);
            let command = Command::read(CommandName::TimeZoneSet, &arguments);
            command.map_err(|error| Failure::new(error.to_string()))?
        }
        None if unset => Command::TimeZoneUnset,
        None => {
            let zone = identity.time_zone().map(nexus_core::Tz::name);
            if output.json {
                output.data(&json!({ "time_zone": zone }));
            } else {
                output.line(zone.unwrap_or("UTC"));
            }
            return Ok(());
        }
    };
    let commands = wire::commands_here(&shell.settings, &store).await;
    let outcome = here::execute(&commands, key, command).await?;
    if output.json {
        output.data(&outcome.data);
    } else {
        output.note(outcome.message);
    }
    Ok(())
}
