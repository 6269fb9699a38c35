//! `nexus command`, `nexus key`, `nexus session`: commands at the server where one is signed in.

use nexus_core::CommandName;
use serde_json::Value;

use crate::cli::{Execute, Key, KeyCommand, Session, SessionCommand};
use crate::failure::Failure;
use crate::remote::{Given, Remote, run};
use crate::{Shell, outcome};

pub(crate) async fn line(shell: &Shell, arguments: &Execute) -> Result<(), Failure> {
    let remote = Remote::open(&arguments.remote)?;
    let outcome = remote.execute_line(&arguments.line.join(" ")).await?;
    outcome::print(&shell.output, &outcome);
    Ok(())
}

pub(crate) async fn key(shell: &Shell, arguments: Key) -> Result<(), Failure> {
    let (name, given) = match arguments.command {
        KeyCommand::List => (CommandName::KeyList, Given::new()),
        KeyCommand::Revoke { id } => (CommandName::KeyRevoke, only("id", id)),
        KeyCommand::Create {
            name,
            scopes,
            models,
            days,
        } => {
            let mut given = only("name", name);
            let optional = [
                ("scopes", scopes.map(Value::from)),
                ("models", models.map(Value::from)),
                ("days", days.map(Value::from)),
            ];
            for (name, value) in optional {
                given.extend(value.map(|value| (name.to_owned(), value)));
            }
            (CommandName::KeyCreate, given)
        }
    };
    run(shell, &Remote::open(&arguments.remote)?, name, given).await
}

pub(crate) async fn session(shell: &Shell, arguments: Session) -> Result<(), Failure> {
    let (name, given) = match arguments.command {
        SessionCommand::List => (CommandName::SessionList, Given::new()),
        SessionCommand::Revoke { id: Some(id), .. } => (CommandName::SessionRevoke, only("id", id)),
        SessionCommand::Revoke { id: None, .. } => (CommandName::SessionRevokeAll, Given::new()),
    };
    run(shell, &Remote::open(&arguments.remote)?, name, given).await
}

fn only(name: &str, value: String) -> Given {
    Given::from_iter([(name.to_owned(), value.into())])
}
