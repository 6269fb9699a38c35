//! What a person can look at: settings, prompts, models, messages.

use std::sync::Arc;

use nexus_core::policy::{Lock, Refusal};
use nexus_core::{ConfigField, Field, Genesis, Identity, Model, PromptName, PublicKey};

use super::outcome::{Data, ModelView};
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
        Ok(Data::Messages(page.await?.messages))
    }
}

pub(super) fn settings(genesis: &Genesis, identity: &Identity, field: Option<ConfigField>) -> Data {
    let mut all = fields(genesis, identity);
    all.retain(|it| match it.field {
        Field::Config(found) => field.is_none_or(|field| field == found),
        Field::Prompt(_) => false,
    });
    Data::Fields(all)
}

pub(super) fn prompts(
    genesis: &Genesis,
    identity: &Identity,
    name: Option<PromptName>,
) -> Result<Data, CommandFailure> {
    let mut all = fields(genesis, identity);
    all.retain(|it| match &it.field {
        Field::Config(_) => false,
        Field::Prompt(found) => name.as_ref().is_none_or(|name| name == found),
    });
    named(all, name.map(Field::from))
}

pub(super) fn explain(
    genesis: &Genesis,
    identity: &Identity,
    field: Option<Field>,
) -> Result<Data, CommandFailure> {
    let mut all = fields(genesis, identity);
    all.retain(|it| field.as_ref().is_none_or(|field| it.field == *field));
    named(all, field)
}

pub(super) fn models(genesis: &Genesis) -> Data {
    let bounds = &genesis.policy(ConfigField::Model).bounds;
    let open = genesis
        .catalog()
        .iter()
        .filter(|model| bounds.admits_model(&model.name));
    let view = |model: &Arc<Model>| ModelView {
        name: Arc::clone(&model.name),
        aliases: model.aliases.clone(),
        provider: Arc::clone(&model.provider.name),
        unavailable: model.provider.unavailable().map(|it| it.to_string()),
    };
    Data::Models(open.map(view).collect())
}

/// A prompt that the template does not have is not part of any profile.
fn named(
    found: Vec<nexus_core::profile::Explanation>,
    asked: Option<Field>,
) -> Result<Data, CommandFailure> {
    match asked {
        Some(field) if found.is_empty() => Err(CommandFailure::Refused(Refusal::Locked {
            field,
            lock: Lock::NoSuchPrompt,
        })),
        _ => Ok(Data::Fields(found)),
    }
}
