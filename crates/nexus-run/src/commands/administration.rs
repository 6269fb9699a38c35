//! What administrators do to identities and to the template. All of it goes on record before it is
//! done, and nothing of it reads what people wrote.

use nexus_core::audit::{Actor, Change, Details};
use nexus_core::{Identity, IdentityWrite, Label, NewAudit, PublicKey, Standing};
use nexus_store::{Erased, StoreError, StoredTemplate};
use serde_json::json;

use super::{ATTEMPTS, CommandFailure, Commands};
use crate::error::RunError;
use crate::proposal::{Proposal, ProposalError};

/// Who administrates, for the record.
#[derive(Clone, Debug)]
pub struct Administrator {
    /// Who.
    pub actor: Actor,
    /// The signature over exactly this request, if it had one.
    pub signature: Option<String>,
}

impl Commands {
    /// Lets a person in, or locks them out; their sessions end with that. `None`: nobody is
    /// registered with this key.
    ///
    /// # Errors
    /// When the store cannot.
    pub async fn set_standing(
        &self,
        by: &Administrator,
        key: PublicKey,
        standing: Standing,
    ) -> Result<Option<Identity>, CommandFailure> {
        for _ in 0..ATTEMPTS {
            let Some(identity) = self.store.identity(key).await? else {
                return Ok(None);
            };
            let (before, after) = (json!(identity.standing), json!(standing));
            let change = Change::new(Some(&before), Some(&after));
            let details = Details::from([("standing".to_owned(), change)]);
            self.record(by, "admin.standing", &key.to_string(), details)
                .await?;
            let write = IdentityWrite::Standing(standing);
            match self.store.write_identity(&identity, write).await {
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(identity) => {
                    if standing == Standing::Disabled {
                        self.store.revoke_sessions(key, None).await?;
                    }
                    return Ok(Some(identity));
                }
            }
        }
        Err(RunError::Busy.into())
    }

    /// Erases a person with everything that is theirs. `None`: nobody is registered with this key.
    ///
    /// # Errors
    /// When the store cannot.
    pub async fn erase_person(
        &self,
        by: &Administrator,
        key: PublicKey,
    ) -> Result<Option<Erased>, CommandFailure> {
        if self.store.identity(key).await?.is_none() {
            return Ok(None);
        }
        self.record(by, "admin.erase", &key.to_string(), Details::new())
            .await?;
        Ok(Some(self.store.erase_identity(key).await?))
    }

    /// Stores a template that was looked at, and puts it in force here.
    ///
    /// # Errors
    /// When somebody else stored one meanwhile, or the store cannot.
    pub async fn store_template(
        &self,
        by: &Administrator,
        proposal: Proposal,
    ) -> Result<StoredTemplate, ProposalError> {
        let details = Details::from([("document".to_owned(), proposal.recorded())]);
        let environment = self.template.environment();
        self.record(by, "template.set", environment.as_str(), details)
            .await?;
        let author = by.actor.to_string();
        let now = self.clock.now();
        let stored = proposal.store(&*self.store, &author, now).await?;
        // Whoever changed it sees it in force with their next request.
        self.template.reload().await;
        Ok(stored)
    }

    async fn record(
        &self,
        by: &Administrator,
        action: &str,
        target: &str,
        details: Details,
    ) -> Result<(), StoreError> {
        let entry = NewAudit {
            at: self.clock.now(),
            actor: by.actor.clone(),
            action: Label::cut(action),
            target: Label::cut(target),
            details,
            signature: by.signature.clone(),
        };
        self.store.append_audit(entry).await.map(drop)
    }
}
