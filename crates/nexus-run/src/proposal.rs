//! A new template before it is stored: checked, and compared with the one that is there. Command
//! line and HTTP go through here, so nobody stores a template that was not looked at.

use nexus_core::egress::Secrets;
use nexus_core::genesis::{GenesisDoc, Problem, Problems};
use nexus_core::plan::{People, Plan, Planner, document_changes, policy_changes};
use nexus_core::{Environment, Genesis};
use nexus_store::{NewTemplate, Store, StoreError, StoredTemplate, Unreadable};

use crate::commands::Administration;

/// How many identities that cannot be read are named.
const NAMED: usize = 100;

/// How many identities are read at a time.
const PAGE: u32 = 500;

/// Where a template is to be stored, and how it is looked at.
#[derive(Clone, Copy)]
pub struct Destination<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// Whose template it is.
    pub environment: Environment,
    /// What the providers of the template may name.
    pub secrets: &'a Secrets,
    /// How many identities the plan looks at. `None`: all of them.
    pub at_most: Option<u64>,
}

/// A template that can be used, and what it would change.
#[derive(Clone, Debug)]
pub struct Proposal {
    environment: Environment,
    doc: GenesisDoc,
    current: Option<u64>,
    /// What is stored, if it can be read.
    stored: Option<GenesisDoc>,
    /// What is odd about it.
    pub warnings: Vec<Problem>,
    /// What would change.
    pub plan: Plan,
    /// The first 100 identities that the plan leaves out, because they cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// A template that was not stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProposalError {
    /// It cannot be used.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// Somebody else stored one meanwhile.
    #[error("somebody else changed the template meanwhile: look at it and try again")]
    Conflict,
    /// The store could not.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ProposalError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Conflict,
            other => Self::Store(other),
        }
    }
}

impl Proposal {
    /// Checks a document and works out what it would change. Nothing is stored.
    ///
    /// # Errors
    /// When the document cannot be used, or the store cannot be read.
    pub async fn new(
        destination: Destination<'_>,
        mut doc: GenesisDoc,
    ) -> Result<Self, ProposalError> {
        let Destination {
            store,
            environment,
            secrets,
            ..
        } = destination;
        let newest = store.template_versions(environment, None, 1).await?;
        let current = newest.first().map(|newest| newest.version);
        let stored = match store.template(environment).await {
            // Somebody made it unreadable: all the more reason to store another.
            Err(StoreError::Corrupt { .. }) => None,
            other => other?.map(|stored| stored.doc),
        };
        if let Some(stored) = &stored {
            doc.restore_secrets(stored);
        }
        let checked = Genesis::check(&doc, secrets)?;
        let before = stored
            .as_ref()
            .and_then(|stored| Genesis::check(stored, secrets).ok());
        let (policy, people, unreadable) = match before {
            Some(before) => {
                let (before, after) = (&before.genesis, &checked.genesis);
                let (people, unreadable) = people(destination, before, after).await?;
                (policy_changes(before, after), Some(people), unreadable)
            }
            None => (Vec::new(), None, Vec::new()),
        };
        let nothing = GenesisDoc::new(serde_json::Map::new());
        Ok(Self {
            environment,
            current,
            warnings: checked.warnings,
            plan: Plan {
                document: document_changes(stored.as_ref().unwrap_or(&nothing), &doc),
                policy,
                people,
            },
            unreadable,
            stored,
            doc,
        })
    }

    /// The stored version that it was compared with. `None`: there is none yet.
    #[must_use]
    pub const fn current(&self) -> Option<u64> {
        self.current
    }

    /// Whether the stored document says something else. One that says the same in another order
    /// does not.
    #[must_use]
    pub fn changes_something(&self) -> bool {
        let stored = self.stored.as_ref();
        stored.is_none_or(|stored| stored.hash() != self.doc.hash())
    }

    /// Stores it as a new version, if the stored one is still the one that it was compared with.
    ///
    /// # Errors
    /// When it is not, or the store cannot.
    pub async fn store(
        self,
        administration: &Administration<'_>,
        author: &str,
    ) -> Result<StoredTemplate, ProposalError> {
        let before = self.stored.and_then(|stored| stored.hash().parse().ok());
        let new = NewTemplate {
            environment: self.environment,
            doc: self.doc,
            author: author.to_owned(),
            created_at: administration.at,
        };
        let stored = administration
            .put_template(new, self.current, before)
            .await?;
        tracing::info!(
            environment = %stored.environment,
            version = stored.version,
            author = ?stored.author,
            hash = stored.hash,
            "a new template was stored"
        );
        Ok(stored)
    }
}

async fn people(
    destination: Destination<'_>,
    before: &Genesis,
    after: &Genesis,
) -> Result<(People, Vec<Unreadable>), StoreError> {
    let mut planner = Planner::new(before, after);
    let (mut last, mut unreadable, mut hidden) = (None, Vec::new(), 0);
    loop {
        let left = destination.at_most.map_or(u64::MAX, |most| {
            most.saturating_sub(planner.read() + hidden)
        });
        let limit = u32::try_from(left).map_or(PAGE, |left| left.min(PAGE));
        let page = destination.store.identities(last, limit).await?;
        hidden += page.unreadable.len() as u64;
        let room = NAMED.saturating_sub(unreadable.len());
        unreadable.extend(page.unreadable.into_iter().take(room));
        for identity in &page.identities {
            planner.add(identity.public_key, &identity.overrides);
        }
        let is_enough = destination
            .at_most
            .is_some_and(|most| planner.read() + hidden >= most);
        if page.next.is_none() || is_enough {
            return Ok((planner.finish(page.next.is_some()), unreadable));
        }
        last = page.next;
    }
}
