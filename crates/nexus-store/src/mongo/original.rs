//! A database that the original Python NEXUS wrote, and how it becomes one that Nexus likes best.
//!
//! Everything is decided on what was read and written only if that is still there, so a server may
//! run meanwhile, and a run that was killed is simply started again. What Nexus does not know stays
//! as it is, type for type. Nothing is cancelled here: the driver's futures need no tasks.

mod identities;
mod keys;
mod messages;
mod pages;
mod people;
mod templates;

use std::collections::{BTreeMap, HashSet};

use futures_util::TryStreamExt;
use mongodb::bson::doc;
use serde::Serialize;

pub use self::templates::UncheckedTemplate;

use self::pages::Rules;
use super::connect::{ConnectError, MongoOptions};
use super::data::Data;
use crate::StoreError;
use crate::installation::{Progress, Step, Tally, Watch};

/// Something that is brought into the form that Nexus writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A template inside `config_data` moves to the top level of its document.
    UnwrapTemplate,
    /// `config_overrides`, `prompt_overrides` or `metadata` is missing or null, and becomes `{}`.
    FillInIdentity,
    /// `public_key` becomes lower case.
    LowerKey,
    /// `owner_key` becomes lower case.
    LowerOwner,
    /// `role` becomes one of `human`, `ai`, `tool` and `system`.
    RenameRole,
    /// `metadata` of a message is null, and becomes `{}`.
    FillInMessage,
}

/// Something that a person has to decide. It is not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// The same address is there more than once, in different spellings.
    Collision,
    /// A message of such an address that would have been changed.
    HeldBack,
    /// A document of `configurations` that cannot be used as it is.
    Template,
    /// An identity that Nexus cannot read.
    Identity,
    /// A message that Nexus cannot read.
    Message,
}

/// What was found, and was or would be changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    /// How many documents were looked at, by collection.
    pub documents: BTreeMap<&'static str, u64>,
    /// What was brought into form, or would be.
    pub changes: BTreeMap<Change, Tally>,
    /// What a person has to decide.
    pub concerns: BTreeMap<Concern, Tally>,
    /// Identities without `config_overrides` or without `prompt_overrides`, counted at the end with
    /// the query of the specification.
    pub without_overrides: u64,
}

/// The database.
#[derive(Debug)]
pub struct Original {
    data: Data,
    location: String,
}

impl Original {
    /// Opens the database that `uri` names, or `default_database`. Nothing is changed by that.
    ///
    /// # Errors
    /// When the address cannot be used. Whether the database answers is not known yet.
    pub async fn connect(
        uri: &str,
        default_database: &str,
        options: MongoOptions,
    ) -> Result<Self, ConnectError> {
        let (data, location) = Data::open(uri, default_database, &options).await?;
        Ok(Self { data, location })
    }

    /// Where it is, for people; without secrets.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Says what there is to do, and changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn survey(&self, watch: &mut Watch<'_>) -> Result<Findings, StoreError> {
        self.walk(Step::Looking, watch).await
    }

    /// Does it. Creates the indexes too, if they are missing. To do it twice changes nothing.
    ///
    /// # Errors
    /// When the database does not answer. What was done by then is done.
    pub async fn apply(&self, watch: &mut Watch<'_>) -> Result<Findings, StoreError> {
        let indexes = self.data.prepare().await;
        let findings = self.walk(Step::Writing, watch).await?;
        match indexes {
            // Two documents with one key, or for one environment, are in the findings already.
            Err(error) if findings.concerns.is_empty() => Err(error),
            _ => Ok(findings),
        }
    }

    async fn walk(&self, step: Step, watch: &mut Watch<'_>) -> Result<Findings, StoreError> {
        let mut findings = Findings::default();
        // Before messages: a key that turns out to be taken holds its messages back.
        let collisions = self.collisions(&mut findings).await?;
        self.templates(step, &mut findings).await?;
        let mut work = Work {
            step,
            watch,
            collisions,
            findings,
        };
        self.pages(&mut work, &self.data.identities, &identities::RULES)
            .await?;
        self.pages(&mut work, &self.data.messages, &messages::RULES)
            .await?;
        let mut findings = work.findings;
        findings.without_overrides = self.without_overrides().await?;
        Ok(findings)
    }

    /// Addresses that are there more than once, in lower case. The database does the sorting.
    async fn collisions(&self, findings: &mut Findings) -> Result<HashSet<String>, StoreError> {
        let pipeline = [
            doc! {"$match": {"public_key": {"$type": "string"}}},
            doc! {"$group": {
                "_id": {"$toLower": "$public_key"},
                "count": {"$sum": 1},
                "spellings": {"$push": "$public_key"},
            }},
            doc! {"$match": {"count": {"$gt": 1}}},
            doc! {"$sort": {"_id": 1}},
        ];
        let found = self.data.identities.aggregate(pipeline);
        let mut found = found.allow_disk_use(true).await?;
        let mut keys = HashSet::new();
        while let Some(group) = found.try_next().await? {
            let Ok(key) = group.get_str("_id") else {
                continue;
            };
            let spellings = group.get_array("spellings").into_iter().flatten();
            let spellings: Vec<_> = spellings.filter_map(|spelling| spelling.as_str()).collect();
            findings.concern(Concern::Collision, || spellings.join(" and "));
            keys.insert(key.to_owned());
        }
        Ok(keys)
    }

    /// The verification of the specification's migration guide.
    async fn without_overrides(&self) -> Result<u64, StoreError> {
        let query = doc! {"$or": [
            {"config_overrides": {"$exists": false}},
            {"prompt_overrides": {"$exists": false}},
        ]};
        Ok(self.data.identities.count_documents(query).await?)
    }
}

impl Findings {
    /// Whether every document is in the form that Nexus writes, but for the concerns.
    #[must_use]
    pub fn is_in_form(&self) -> bool {
        self.changes.is_empty()
    }

    fn change(&mut self, change: Change, name: impl FnOnce() -> String) {
        self.changes.entry(change).or_default().add(name);
    }

    fn concern(&mut self, concern: Concern, name: impl FnOnce() -> String) {
        self.concerns.entry(concern).or_default().add(name);
    }
}

/// A walk that is under way.
struct Work<'a, 'b> {
    step: Step,
    watch: &'a mut Watch<'b>,
    /// Addresses in lower case.
    collisions: HashSet<String>,
    findings: Findings,
}

impl Work<'_, '_> {
    fn tell(&mut self, rules: &Rules, done: u64, total: u64) {
        (self.watch)(Progress {
            step: self.step,
            what: rules.what,
            done,
            total,
        });
    }
}
