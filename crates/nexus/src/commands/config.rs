//! `nexus config get|set|unset|explain`: the settings of one person.

use nexus_api::profile::ProfileField;
use nexus_core::profile::Notice;
use nexus_core::{Command, ConfigField, EffectiveProfile, Field, Genesis, Identity, PublicKey};
use nexus_run::{Commands, RunError, personal};
use serde_json::{Map, Value};

use crate::cli::Config;
use crate::failure::Failure;
use crate::output::columns;
use crate::{Shell, here, view, wire};

pub(crate) async fn run(shell: &Shell, command: Config) -> Result<(), Failure> {
    let person = |key| Person::find(shell, key);
    match command {
        Config::Get { key, field } => get(shell, &person(key).await?.profile(), field.as_ref()),
        Config::Set { key, field, value } => {
            let value = parse(&field, value);
            let command = here::set(&field, value);
            person(key).await?.change(shell, &field, command).await
        }
        Config::Unset { key, field } => person(key).await?.unset(shell, &field).await,
        Config::Explain { key, field } => {
            let profile = person(key).await?.profile();
            refuse_absent(&profile, field.as_ref())?;
            view::explain(&shell.output, &profile, field.as_ref());
            Ok(())
        }
    }
}

/// One registered person, and the template that they inherit from.
pub(crate) struct Person {
    commands: Commands,
    genesis: Genesis,
    identity: Identity,
}

impl Person {
    pub(crate) async fn find(shell: &Shell, key: PublicKey) -> Result<Self, Failure> {
        let store = wire::open_existing(&shell.settings).await?;
        let genesis = wire::genesis(&shell.settings, &*store).await?;
        let identity = store.identity(key).await?.ok_or(RunError::NotAMember)?;
        Ok(Self {
            commands: wire::commands_here(&shell.settings, &store).await,
            genesis,
            identity,
        })
    }

    /// What is in force for them.
    pub(crate) fn profile(&self) -> EffectiveProfile {
        personal::profile(&self.genesis, &self.identity)
    }

    /// Goes back to the default of a field, or removes a stored key that names none.
    pub(crate) async fn unset(self, shell: &Shell, name: &str) -> Result<(), Failure> {
        if let Ok(field) = name.parse() {
            let command = here::unset(&field);
            return self.change(shell, &field, command).await;
        }
        let command = here::unset_unknown(name);
        let key = self.identity.public_key;
        let outcome = here::execute(&self.commands, key, command).await?;
        shell.output.note(outcome.message);
        Ok(())
    }

    /// Changes one field, and says what came of it.
    pub(crate) async fn change(
        mut self,
        shell: &Shell,
        field: &Field,
        command: Command,
    ) -> Result<(), Failure> {
        let before = self.profile();
        let key = self.identity.public_key;
        here::execute(&self.commands, key, command).await?;
        let identity = self.commands.store.identity(key).await?;
        self.identity = identity.ok_or(RunError::NotAMember)?;
        report(shell, field, &before, &self.profile());
        Ok(())
    }
}

/// Says what is in force now, and what stands in the way of using it.
pub(crate) fn report(
    shell: &Shell,
    field: &Field,
    before: &EffectiveProfile,
    now: &EffectiveProfile,
) {
    let output = &shell.output;
    let of = |profile| view::fields(profile, Some(field)).pop();
    match (of(before), of(now)) {
        (Some(before), Some(now)) => output.note(format_args!(
            "{field} is now {} ({}), it was {} ({})",
            view::short(&now.value),
            now.layer.as_str(),
            view::short(&before.value),
            before.layer.as_str()
        )),
        _ => output.note(format_args!("{field} is removed")),
    }
    let of_field = |it: &&Notice| it.field().as_ref() == Some(field);
    for notice in now.notices.iter().filter(of_field) {
        output.warn(notice);
    }
    let is_model = *field == ConfigField::Model.into();
    if let Some(missing) = now.model.value.provider.unavailable().filter(|_| is_model) {
        output.warn(missing);
    }
}

fn get(shell: &Shell, profile: &EffectiveProfile, field: Option<&Field>) -> Result<(), Failure> {
    refuse_absent(profile, field)?;
    let output = &shell.output;
    let mut fields = view::fields(profile, field);
    if field.is_none() {
        fields.retain(|it| !it.is_prompt());
    }
    if output.json {
        let values: Map<_, _> = fields.into_iter().map(|it| (it.field, it.value)).collect();
        output.data(&values);
    } else if field.is_some() {
        for it in &fields {
            output.line(plain(&it.value));
        }
    } else {
        let row = |it: &ProfileField| {
            vec![
                it.field.clone(),
                view::short(&it.value),
                format!("({})", it.layer.as_str()),
            ]
        };
        let rows: Vec<_> = fields.iter().map(row).collect();
        for line in columns(&rows) {
            output.line(line);
        }
    }
    Ok(())
}

/// A prompt that the template does not have is not part of any profile.
pub(crate) fn refuse_absent(
    profile: &EffectiveProfile,
    field: Option<&Field>,
) -> Result<(), Failure> {
    match field {
        Some(field) if view::fields(profile, Some(field)).is_empty() => {
            let names = profile.prompts.iter().map(|it| it.name.to_string());
            let names = names.collect::<Vec<_>>().join(", ");
            Err(Failure::new(format!("the template has no {field}"))
                .hint(format!("its prompts are: {names}")))
        }
        _ => Ok(()),
    }
}

/// A value as a script wants it: text without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What was typed, as the type that the field has. What does not fit stays a text, and is refused
/// with the reason.
fn parse(field: &Field, text: String) -> Value {
    match field {
        Field::Config(ConfigField::Tools) => list(&text),
        Field::Config(ConfigField::Model) | Field::Prompt(_) => Value::String(text),
        Field::Config(_) => text
            .parse()
            .map_or_else(|_| Value::String(text), Value::Number),
    }
}

/// Names with commas between them, or a JSON list.
fn list(text: &str) -> Value {
    if let Ok(list @ Value::Array(_)) = serde_json::from_str(text) {
        return list;
    }
    let names = text.split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).collect()
}
