//! What speaks for a person: API keys and sessions.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use nexus_api::auth::Secret;
use nexus_api::command::{Data, Revoked};
use nexus_api::key::NewKey;
use nexus_core::audit::{Change, Details};
use nexus_core::command::NewApiKey;
use nexus_core::policy::Refusal;
use nexus_core::token::TokenKind;
use nexus_core::{ApiKey, ApiKeyId, CommandName, Genesis, Label, PublicKey, SessionId, Token};
use nexus_store::{MAX_API_KEYS, StoreError};
use serde_json::json;

use super::outcome::listed;
use super::{CommandFailure, Commands, Record};
use crate::error::RunError;

impl Commands {
    pub(super) async fn create_key(
        &self,
        record: &Record<'_>,
        genesis: &Genesis,
        new: NewApiKey,
    ) -> Result<Data, CommandFailure> {
        let member = self.member_now(record.subject).await?;
        let models = new.models.map(|names| catalog_names(genesis, &names));
        let models = models.transpose()?;
        let now = self.clock.now();
        // Before anything is on record; the store counts once more as it stores the key.
        let live = self.store.api_keys(record.subject).await?;
        if live.iter().filter(|key| key.is_live(now)).count() >= MAX_API_KEYS as usize {
            return Err(too_many());
        }
        let token = Token::generate(TokenKind::ApiKey).map_err(no_randomness)?;
        let id = token.api_key_id().ok_or(RunError::Internal)?;
        let key = ApiKey {
            id,
            digest: token.digest(),
            owner_key: record.subject,
            name: new.name,
            scopes: new.scopes,
            models,
            created_at: now,
            expires_at: now + TimeDelta::days(new.days.into()),
            last_used_at: None,
            revoked_at: None,
        };
        let rights =
            json!({"scopes": key.scopes, "models": key.models, "expires_at": key.expires_at});
        let change = Change::new(None, Some(&rights));
        let details = Details::from([("rights".to_owned(), change)]);
        record.write(target(id), details).await?;
        match self.store.create_api_key(&member, key.clone()).await {
            Err(StoreError::Full { .. }) => return Err(too_many()),
            stored => stored?,
        }
        Ok(Data::NewKey(NewKey {
            token: Secret(token.reveal().to_owned()),
            key: key.into(),
        }))
    }

    pub(super) async fn revoke_key(
        &self,
        record: &Record<'_>,
        id: ApiKeyId,
    ) -> Result<Data, CommandFailure> {
        let not_found = || CommandFailure::NotFound {
            what: "API key",
            where_to_look: CommandName::KeyList,
        };
        let owner = record.subject;
        // Whoever waits or was locked out may take their keys back too.
        if self.store.identity(owner).await?.is_none() {
            return Err(CommandFailure::NotAMember);
        }
        let keys = self.store.api_keys(owner).await?;
        let is_live = |key: &ApiKey| key.id == id && key.revoked_at.is_none();
        if !keys.iter().any(is_live) {
            return Err(not_found());
        }
        record.write(target(id), Details::new()).await?;
        let now = self.clock.now();
        if self.store.revoke_api_key(owner, id, now).await? {
            Ok(Data::Revoked(Revoked { revoked: 1 }))
        } else {
            Err(not_found())
        }
    }

    pub(super) async fn sessions(
        &self,
        owner: PublicKey,
        current: Option<SessionId>,
    ) -> Result<Data, CommandFailure> {
        let now = self.clock.now();
        let sessions = self.store.sessions(owner).await?.into_iter();
        let live = sessions.filter(|session| session.is_live(now));
        let views = live.map(|session| listed(session, current));
        Ok(Data::Sessions(views.collect()))
    }

    pub(super) async fn revoke_session(
        &self,
        record: &Record<'_>,
        id: SessionId,
    ) -> Result<Data, CommandFailure> {
        let not_found = || CommandFailure::NotFound {
            what: "session",
            where_to_look: CommandName::SessionList,
        };
        let sessions = self.store.sessions(record.subject).await?;
        if !sessions.iter().any(|session| session.id() == id) {
            return Err(not_found());
        }
        let target = Label::cut(&id.to_string());
        record.write(target, Details::new()).await?;
        if self.store.revoke_session(record.subject, id).await? {
            Ok(Data::Revoked(Revoked { revoked: 1 }))
        } else {
            Err(not_found())
        }
    }

    pub(super) async fn revoke_sessions(
        &self,
        record: &Record<'_>,
    ) -> Result<Data, CommandFailure> {
        record.write_about_subject(Details::new()).await?;
        let revoked = self.store.revoke_sessions(record.subject, None).await?;
        Ok(Data::Revoked(Revoked { revoked }))
    }
}

fn target(id: ApiKeyId) -> Label {
    Label::cut(&id.to_string())
}

/// The catalog names behind what a person calls the models.
fn catalog_names(genesis: &Genesis, names: &BTreeSet<String>) -> Result<BTreeSet<String>, Refusal> {
    let name = |name: &String| Ok(genesis.choose_model(name)?.name.to_string());
    names.iter().map(name).collect()
}

fn no_randomness(error: getrandom::Error) -> RunError {
    tracing::error!(%error, "the operating system has no random numbers");
    RunError::Internal
}

const fn too_many() -> CommandFailure {
    CommandFailure::TooMany {
        what: "API keys",
        limit: MAX_API_KEYS as usize,
    }
}
