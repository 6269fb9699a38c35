//! What is done on this machine, without a server, by whoever sits at it. They have the database,
//! so nobody asks them for a signature; each change is on record under the name of their user.

use nexus_core::audit::Actor;
use nexus_core::overrides::Section;
use nexus_core::{Clock as _, Command, Field, Label, PublicKey};
use nexus_run::{Administration, Authority, Commands, Order, Outcome};
use nexus_store::Store;
use serde_json::Value;

use crate::failure::Failure;
use crate::settings;
use crate::wire::Clock;

/// Who sits at the machine.
pub(crate) fn operator() -> Label {
    Label::cut(settings::user().as_deref().unwrap_or("unknown"))
}

/// For changes that are not a person's own.
pub(crate) fn administration(store: &dyn Store) -> Administration<'_> {
    Administration {
        store,
        at: Clock::default().now(),
        actor: Actor::Local(operator()),
        signature: None,
    }
}

/// Executes a command about somebody.
pub(crate) async fn execute(
    commands: &Commands,
    subject: PublicKey,
    command: Command,
) -> Result<Outcome, Failure> {
    let order = Order {
        subject,
        authority: Authority::Operator(operator()),
        command,
    };
    Ok(commands.execute(order).await?)
}

/// The command that sets a field.
pub(crate) fn set(field: &Field, value: Value) -> Command {
    match field.clone() {
        Field::Config(field) => Command::ConfigSet { field, value },
        Field::Prompt(name) => Command::PromptSet {
            name,
            content: match value {
                Value::String(text) => text,
                other => other.to_string(),
            },
        },
    }
}

/// The command that goes back to the default of a field.
pub(crate) fn unset(field: &Field) -> Command {
    match field.clone() {
        Field::Config(field) => Command::ConfigUnset { field },
        Field::Prompt(name) => Command::PromptUnset { name },
    }
}

/// The command that removes a stored key that names no field.
pub(crate) fn unset_unknown(name: &str) -> Command {
    let (section, name) = match name.strip_prefix("prompts.") {
        Some(name) => (Section::Prompts, name),
        None => (
            Section::Config,
            name.strip_prefix("config.").unwrap_or(name),
        ),
    };
    let name = name.to_owned();
    Command::UnsetUnknown { section, name }
}
