//! What a person can look at: settings, prompts, models, messages.

use std::sync::Arc;

use nexus_api::command::Data;
use nexus_api::model::ChoosableModel;
use nexus_api::profile::ProfileField;
use nexus_core::policy::{Lock, Refusal};
use nexus_core::{ConfigField, Field, Genesis, Identity, Model, PromptName, PublicKey};

use super::{CommandFailure, Commands, fields};

/// How many messages `history` shows when nobody says.
const SHOWN: u32 = 20;

impl Commands {
    pub(super) async fn history(
        &self,
        owner: PublicKey,
        limit: Option<u32>,
    ) -> Result<Data, CommandFailure> {
        let member = self.member(owner).await?;
        let page = self.store.messages(&member, limit.unwrap_or(SHOWN), None);
        let messages = page.await?.messages.into_iter();
        Ok(Data::Messages(messages.map(Into::into).collect()))
    }
}

pub(super) fn settings(genesis: &Genesis, identity: &Identity, field: Option<ConfigField>) -> Data {
    let mut all = fields(genesis, identity);
    let name = field.map(|field| field.to_string());
    all.retain(|it| !it.is_prompt() && name.as_ref().is_none_or(|name| *name == it.field));
    Data::Fields(all)
}

pub(super) fn prompts(
    genesis: &Genesis,
    identity: &Identity,
    name: Option<PromptName>,
) -> Result<Data, CommandFailure> {
    let mut all = fields(genesis, identity);
    all.retain(ProfileField::is_prompt);
    named(all, name.map(Field::from))
}

pub(super) fn explain(
    genesis: &Genesis,
    identity: &Identity,
    field: Option<Field>,
) -> Result<Data, CommandFailure> {
    named(fields(genesis, identity), field)
}

pub(super) fn models(genesis: &Genesis) -> Data {
    let bounds = &genesis.policy(ConfigField::Model).bounds;
    let open = genesis
        .catalog()
        .iter()
        .filter(|model| bounds.admits_model(&model.name));
    let view = |model: &Arc<Model>| ChoosableModel {
        name: Arc::clone(&model.name),
        aliases: model.aliases.clone(),
        provider: Arc::clone(&model.provider.name),
        unavailable: model.provider.unavailable().map(|it| it.to_string()),
    };
    Data::Models(open.map(view).collect())
}

/// A prompt that the template does not have is not part of any profile.
fn named(mut found: Vec<ProfileField>, asked: Option<Field>) -> Result<Data, CommandFailure> {
    let name = asked.as_ref().map(ToString::to_string);
    found.retain(|it| name.as_ref().is_none_or(|name| *name == it.field));
    match asked {
        Some(field) if found.is_empty() => Err(CommandFailure::Refused(Refusal::Locked {
            field,
            lock: Lock::NoSuchPrompt,
        })),
        _ => Ok(Data::Fields(found)),
    }
}
