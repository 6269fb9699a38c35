//! Executes [`Command`]s. HTTP, the command line and the chat all go through [`Commands::execute`],
//! so each rule about who may do what is here once.

mod administration;
mod failure;
mod identity;
mod keys;
mod outcome;
mod reading;
mod settings;

use std::sync::Arc;

use chrono_tz::Tz;
use nexus_api::profile::ProfileField;
use nexus_core::audit::{Actor, Details};
use nexus_core::{
    Admission, Clock, Command, CommandName, Genesis, Identity, Label, Member, NewAudit, PublicKey,
    SessionId,
};
use nexus_store::Store;

use crate::error::RunError;
use crate::gate::Gate;
use crate::live::LiveTemplate;

pub use administration::Administration;
pub use failure::CommandFailure;
pub use nexus_api::command::{Data, Outcome};
pub use outcome::describe;

/// How often something is decided again when somebody else wrote in between.
const ATTEMPTS: usize = 5;

/// Who may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody who has a key.
    Open,
    /// Everybody, and an administrator decides who is let in.
    #[default]
    Approval,
    /// Nobody: administrators register people.
    Closed,
}

/// Executes commands.
pub struct Commands {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Who is let in.
    pub gate: Arc<Gate>,
    /// The template in force.
    pub template: Arc<LiveTemplate>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who may register.
    pub registration: Registration,
}

/// A command, about whom, and on whose authority.
#[derive(Debug)]
pub struct Order {
    /// Whose identity, settings and keys it is about.
    pub subject: PublicKey,
    /// Who asks for it.
    pub authority: Authority,
    /// What is to be done.
    pub command: Command,
}

/// Who asks for a command.
#[derive(Debug)]
pub enum Authority {
    /// The subject, who is signed in.
    Person {
        /// The session that the command came with.
        session: Option<SessionId>,
        /// The signature over exactly this request, as it was sent. Its nonce is used up.
        signature: Option<String>,
        /// Boot configuration names this key as an administrator's.
        is_admin: bool,
    },
    /// Somebody at the machine, by the name of their user there.
    Operator(Label),
}

impl Authority {
    fn session(&self) -> Option<SessionId> {
        match self {
            Self::Person { session, .. } => *session,
            Self::Operator(_) => None,
        }
    }

    /// Whoever is at the machine has the database; a signature would add nothing.
    const fn is_fresh(&self) -> bool {
        matches!(
            self,
            Self::Operator(_)
                | Self::Person {
                    signature: Some(_),
                    ..
                }
        )
    }
}

impl Commands {
    /// Executes a command.
    ///
    /// # Errors
    /// When it needs a signature and has none, when policy or standing refuse it, or when the store
    /// cannot. Nothing was changed then, but for what the audit says was tried.
    pub async fn execute(&self, order: Order) -> Result<Outcome, CommandFailure> {
        let genesis = self.template.current()?;
        let name = order.command.name();
        if genesis.needs_signature(name) && !order.authority.is_fresh() {
            return Err(CommandFailure::SignatureRequired { command: name });
        }
        let Order {
            subject,
            authority,
            command,
        } = order;
        let record = Record {
            commands: self,
            name,
            subject,
            authority: &authority,
        };
        let data = match command {
            Command::Ping => Data::Nothing,
            Command::Help { about } => Data::Help(describe(&genesis, about)),
            Command::Identity => self.identity(&record).await?,
            Command::IdentityDelete => self.erase(&record).await?,
            Command::ConfigGet { field } => {
                let member = self.member(subject).await?;
                reading::settings(&genesis, &member, field)
            }
            Command::PromptGet { name } => {
                let member = self.member(subject).await?;
                reading::prompts(&genesis, &member, name)?
            }
            Command::Explain { field } => {
                let member = self.member(subject).await?;
                reading::explain(&genesis, &member, field)?
            }
            Command::ConfigSet { field, value } => {
                let write = nexus_core::Overrides::set(&genesis, &field.into(), &value)?;
                self.write(&record, &genesis, &write).await?
            }
            Command::PromptSet { name, content } => {
                let write = nexus_core::Overrides::set(&genesis, &name.into(), &content.into())?;
                self.write(&record, &genesis, &write).await?
            }
            Command::ConfigUnset { field } => {
                let write = nexus_core::Overrides::unset(&field.into());
                self.write(&record, &genesis, &write).await?
            }
            Command::PromptUnset { name } => {
                let write = nexus_core::Overrides::unset(&name.into());
                self.write(&record, &genesis, &write).await?
            }
            Command::UnsetUnknown { section, name } => {
                let member = self.member_now(subject).await?;
                let write = member.overrides.unset_unknown(section, &name);
                let write = write.ok_or_else(|| CommandFailure::unknown_key(section, &name))?;
                self.write(&record, &genesis, &write).await?
            }
            Command::TimeZoneSet { zone } => {
                self.set_time_zone(&record, &genesis, Some(zone)).await?
            }
            Command::TimeZoneUnset => self.set_time_zone(&record, &genesis, None).await?,
            Command::History { limit } => self.history(subject, limit).await?,
            Command::Models => reading::models(&genesis),
            Command::KeyCreate(new) => self.create_key(&record, &genesis, new).await?,
            Command::KeyList => {
                self.member(subject).await?;
                let keys = self.store.api_keys(subject).await?;
                Data::Keys(keys.into_iter().map(Into::into).collect())
            }
            Command::KeyRevoke { id } => self.revoke_key(&record, id).await?,
            Command::SessionList => self.sessions(subject, authority.session()).await?,
            Command::SessionRevoke { id } => self.revoke_session(&record, id).await?,
            Command::SessionRevokeAll => self.revoke_sessions(&record).await?,
            Command::Export => {
                self.member(subject).await?;
                Data::Nothing
            }
        };
        Ok(outcome::outcome(name, data))
    }

    /// Stores a time zone, or removes it.
    async fn set_time_zone(
        &self,
        record: &Record<'_>,
        genesis: &Genesis,
        zone: Option<Tz>,
    ) -> Result<Data, CommandFailure> {
        let write = nexus_core::Overrides::time_zone(zone);
        self.write(record, genesis, &write).await
    }

    /// Whoever is let in.
    async fn member(&self, key: PublicKey) -> Result<Member, CommandFailure> {
        let_in(self.gate.admit(key).await?)
    }

    /// Whoever is let in, as the store knows it now: a change is decided on what is there.
    async fn member_now(&self, key: PublicKey) -> Result<Member, CommandFailure> {
        let_in(self.gate.admit_now(key).await?)
    }
}

fn let_in(admission: Admission) -> Result<Member, CommandFailure> {
    match admission {
        Admission::Member(member) => Ok(member),
        Admission::Visitor => Err(CommandFailure::NotAMember),
        Admission::Pending => Err(CommandFailure::Pending),
        Admission::Disabled => Err(CommandFailure::Disabled),
        Admission::Unreadable => Err(RunError::IdentityUnreadable.into()),
    }
}

/// What goes on record about one command. It is written before the change is made: a change that
/// nobody can account for is worse than an entry about one that did not come about.
struct Record<'a> {
    commands: &'a Commands,
    name: CommandName,
    subject: PublicKey,
    authority: &'a Authority,
}

impl Record<'_> {
    async fn write(&self, target: Label, details: Details) -> Result<(), CommandFailure> {
        let (actor, signature) = match self.authority {
            Authority::Person { signature, .. } => (Actor::Key(self.subject), signature.clone()),
            Authority::Operator(user) => (Actor::Local(user.clone()), None),
        };
        let entry = NewAudit {
            at: self.commands.clock.now(),
            actor,
            action: Label::cut(self.name.as_str()),
            target,
            details,
            signature,
        };
        self.commands.store.append_audit(entry).await?;
        Ok(())
    }

    /// On record about the subject itself.
    async fn write_about_subject(&self, details: Details) -> Result<(), CommandFailure> {
        self.write(Label::cut(&self.subject.to_string()), details)
            .await
    }
}

/// What an answer shows of the fields of a person.
fn fields(genesis: &Genesis, identity: &Identity) -> Vec<ProfileField> {
    crate::personal::profile(genesis, identity).explain()
}
