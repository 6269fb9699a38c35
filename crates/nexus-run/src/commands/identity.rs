//! Coming and going: `identity`, `identity.delete`.

use nexus_api::command::Data;
use nexus_api::identity::Registered;
use nexus_core::Standing;
use nexus_core::audit::{Change, Details};
use serde_json::json;

use super::administration::{is_registered, of_identity};
use super::{Authority, CommandFailure, Commands, Record, Registration};

impl Commands {
    /// Registers the subject, or finds that it is registered.
    pub(super) async fn identity(&self, record: &Record<'_>) -> Result<Data, CommandFailure> {
        let key = record.subject;
        let known = self.store.identity(key).await.map_err(of_identity)?;
        let view = |standing, created| {
            Data::Identity(Registered {
                public_key: key.into(),
                created,
                standing,
            })
        };
        if let Some(identity) = known {
            return Ok(view(identity.standing, false));
        }
        let standing = self.standing_of_newcomer(record)?;
        let change = Change::new(None, Some(&json!(standing)));
        let details = Details::from([("standing".to_owned(), change)]);
        record.write_about_subject(details).await?;
        let now = self.clock.now();
        let created = self.store.create_identity(key, standing, now).await?;
        Ok(view(created.identity.standing, created.is_new))
    }

    fn standing_of_newcomer(&self, record: &Record<'_>) -> Result<Standing, CommandFailure> {
        let is_trusted = match record.authority {
            Authority::Operator(_) => true,
            Authority::Person { is_admin, .. } => *is_admin,
        };
        match self.registration {
            _ if is_trusted => Ok(Standing::Active),
            Registration::Open => Ok(Standing::Active),
            Registration::Approval => Ok(Standing::Pending),
            Registration::Closed => Err(CommandFailure::RegistrationClosed {
                key: record.subject.to_string(),
            }),
        }
    }

    /// Erases everything that belongs to the subject. Somebody who waits or was locked out may
    /// take their data away too. Whoever was locked out stays so.
    pub(super) async fn erase(&self, record: &Record<'_>) -> Result<Data, CommandFailure> {
        if !is_registered(&*self.store, record.subject).await? {
            return Err(CommandFailure::NotAMember);
        }
        record.write_about_subject(Details::new()).await?;
        let erased = match record.authority {
            Authority::Person { .. } => self.store.leave(record.subject, self.clock.now()).await?,
            Authority::Operator(_) => self.store.erase_identity(record.subject).await?,
        };
        Ok(Data::Erased(erased))
    }
}
