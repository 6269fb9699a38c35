//! What those who run the server change: who is let in, who administers, what everybody inherits.
//! Command line and HTTP go through here, so that each change is on record.

use nexus_core::audit::{Actor, AuditHash, Change, Details};
use nexus_core::{
    Identity, IdentityWrite, Label, NewAudit, PublicKey, Session, Standing, Timestamp,
};
use nexus_store::{Collection, Created, Erased, NewTemplate, Store, StoreError, StoredTemplate};
use serde_json::{Value, json};

use super::{ATTEMPTS, CommandFailure};
use crate::error::RunError;

/// Makes changes that are for administrators. As with commands, the record is written first.
pub struct Administration<'a> {
    /// What is kept.
    pub store: &'a dyn Store,
    /// When it is done.
    pub at: Timestamp,
    /// Who does it. Whether they may is for the caller to know.
    pub actor: Actor,
    /// The signature that the request came with, if it needed one.
    pub signature: Option<String>,
}

impl Administration<'_> {
    /// Registers a key and lets it in, or finds that it is registered, whatever its standing.
    ///
    /// # Errors
    /// When the store cannot.
    pub async fn register(&self, key: PublicKey) -> Result<Created, StoreError> {
        if let Some(identity) = self.store.identity(key).await? {
            return Ok(Created {
                identity,
                is_new: false,
            });
        }
        let standing = Standing::Active;
        let details = changed("standing", None, Some(&json!(standing)));
        self.record("identity", &key, details).await?;
        self.store.create_identity(key, standing, self.at).await
    }

    /// Lets somebody in or locks them out; makes them an administrator, or not. Only a member can
    /// administer, so nobody else is made an administrator. If it is so already, nothing goes on
    /// record. The sessions of whoever is disabled end: also those that an
    /// earlier attempt left.
    ///
    /// # Errors
    /// [`CommandFailure::NotAMember`] when the key is not registered; [`CommandFailure::Pending`]
    /// or [`CommandFailure::Disabled`] when it may not administer for that; when the store cannot.
    pub async fn change(
        &self,
        key: PublicKey,
        write: IdentityWrite,
    ) -> Result<Identity, CommandFailure> {
        for _ in 0..ATTEMPTS {
            let identity = self.store.identity(key).await.map_err(of_identity)?;
            let identity = identity.ok_or(CommandFailure::NotAMember)?;
            match (write, identity.standing) {
                (IdentityWrite::Admin(true), Standing::Pending) => {
                    return Err(CommandFailure::Pending);
                }
                (IdentityWrite::Admin(true), Standing::Disabled) => {
                    return Err(CommandFailure::Disabled);
                }
                _ => {}
            }
            let (field, before, after) = match write {
                IdentityWrite::Standing(after) => {
                    ("standing", json!(identity.standing), json!(after))
                }
                IdentityWrite::Admin(after) => ("is_admin", json!(identity.is_admin), json!(after)),
            };
            if before == after {
                self.end_sessions(key, write).await?;
                return Ok(identity);
            }
            let details = changed(field, Some(&before), Some(&after));
            self.record(action(write), &key, details).await?;
            match self.store.write_identity(&identity, write).await {
                // Somebody else changed it in between, or it is gone: look again.
                Err(StoreError::Conflict { .. }) => {}
                outcome => {
                    let identity = outcome?;
                    self.end_sessions(key, write).await?;
                    return Ok(identity);
                }
            }
        }
        Err(RunError::Busy.into())
    }

    /// Erases somebody with everything that belongs to them, also that they were disabled, and also
    /// if the identity cannot be read.
    ///
    /// # Errors
    /// [`CommandFailure::NotAMember`] when the key is not registered; when the store cannot.
    pub async fn erase(&self, key: PublicKey) -> Result<Erased, CommandFailure> {
        if !is_registered(self.store, key).await? {
            return Err(CommandFailure::NotAMember);
        }
        self.record("identity.delete", &key, Details::new()).await?;
        Ok(self.store.erase_identity(key).await?)
    }

    /// Deletes a document that cannot be read. `None`: there is none with this id.
    ///
    /// # Errors
    /// When the store cannot.
    pub async fn delete_unreadable(
        &self,
        collection: Collection,
        id: &str,
    ) -> Result<Option<Erased>, StoreError> {
        let target = format!("{collection} {id}");
        self.record("quarantine.delete", &target, Details::new())
            .await?;
        self.store
            .delete_unreadable(collection, id.to_owned())
            .await
    }

    /// Stores a session that nobody signed in for: whoever has its token speaks for its owner.
    ///
    /// # Errors
    /// When the store cannot.
    pub async fn create_session(&self, session: Session) -> Result<(), StoreError> {
        let reach = json!({"scope": session.scope, "expires_at": session.expires_at});
        let details = changed("reach", None, Some(&reach));
        self.record("session.create", &session.owner_key, details)
            .await?;
        self.store.create_session(session).await
    }

    /// Stores a new version of the template. `before` is the hash of the document that it takes the
    /// place of. The record has both hashes, as the history of the template shows them.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another version was stored since `expected`; when the store
    /// cannot.
    pub async fn put_template(
        &self,
        new: NewTemplate,
        expected: Option<u64>,
        before: Option<AuditHash>,
    ) -> Result<StoredTemplate, StoreError> {
        let change = Change {
            before,
            after: new.doc.hash().parse().ok(),
        };
        let details = Details::from([("document".to_owned(), change)]);
        self.record("template", &new.environment, details).await?;
        self.store.put_template(new, expected).await
    }

    async fn end_sessions(&self, key: PublicKey, write: IdentityWrite) -> Result<(), StoreError> {
        if write == IdentityWrite::Standing(Standing::Disabled) {
            self.store.revoke_sessions(key, None).await?;
        }
        Ok(())
    }

    async fn record(
        &self,
        action: &str,
        target: &impl ToString,
        details: Details,
    ) -> Result<(), StoreError> {
        let entry = NewAudit {
            at: self.at,
            actor: self.actor.clone(),
            action: Label::cut(action),
            target: Label::cut(&target.to_string()),
            details,
            signature: self.signature.clone(),
        };
        self.store.append_audit(entry).await.map(drop)
    }
}

/// Whether a key is registered, be its identity readable or not.
pub(super) async fn is_registered(store: &dyn Store, key: PublicKey) -> Result<bool, StoreError> {
    match store.identity(key).await {
        Err(StoreError::Corrupt { .. }) => Ok(true),
        identity => Ok(identity?.is_some()),
    }
}

/// Why an identity could not be read.
pub(super) fn of_identity(error: StoreError) -> CommandFailure {
    match error {
        StoreError::Corrupt { .. } => RunError::IdentityUnreadable.into(),
        error => error.into(),
    }
}

const fn action(write: IdentityWrite) -> &'static str {
    match write {
        IdentityWrite::Standing(Standing::Active) => "identity.enable",
        IdentityWrite::Standing(Standing::Pending) => "identity.suspend",
        IdentityWrite::Standing(Standing::Disabled) => "identity.disable",
        IdentityWrite::Admin(true) => "admin.grant",
        IdentityWrite::Admin(false) => "admin.revoke",
    }
}

fn changed(field: &str, before: Option<&Value>, after: Option<&Value>) -> Details {
    Details::from([(field.to_owned(), Change::new(before, after))])
}
