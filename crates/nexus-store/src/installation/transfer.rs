//! A move from one installation to another: look first, then copy, then compare both.
//!
//! There are no books about how far a copy came. What the target holds must be how the source
//! begins, record for record, and the copy goes on behind it. So a copy that was killed goes on
//! when it is started again, one that is finished finds nothing to do, and a target that holds
//! anything else is refused.

use std::collections::{BTreeMap, VecDeque};

use nexus_core::{Timestamp, hex};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{BATCH, Installation, Kind, Reader, Record};
use crate::StoreError;

/// How many names of a sort are remembered for a report.
const NAMED: usize = 1000;

/// A number, and the first of those that it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// The first 1000 of them, by name.
    pub names: Vec<String>,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name());
        }
    }
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Looking at both sides, or at the one there is.
    Looking,
    /// Writing.
    Writing,
    /// Reading the source once more.
    CheckingSource,
    /// Reading the target back.
    CheckingTarget,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is going on.
    pub step: Step,
    /// With what, such as `messages`.
    pub what: &'a str,
    /// How many are done.
    pub done: u64,
    /// How many there are, about.
    pub total: u64,
}

/// Is told again and again how far it is.
pub type Watch<'a> = dyn FnMut(Progress<'_>) + Send + 'a;

/// What a move would do with one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// Of what.
    pub kind: Kind,
    /// Readable records in the source.
    pub source: u64,
    /// How many of them the target holds already.
    pub target: u64,
    /// Records of the source that Nexus cannot read. While there are any, nothing is copied.
    pub unreadable: Tally,
    /// Fields of the source that Nexus does not know, and how often they are there. They are not
    /// copied.
    pub unknown: BTreeMap<String, u64>,
}

/// Both sides of one kind, read back.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Of what.
    pub kind: Kind,
    /// What the source holds.
    pub source: Sum,
    /// What the target holds.
    pub target: Sum,
}

/// A number of records and their checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many records.
    pub count: u64,
    /// The SHA-256 of their canonical lines, in order, in hexadecimal.
    pub sha256: String,
}

/// Why a move cannot go on. What was copied stays, and is gone on with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransferError {
    /// The source does not do what it was asked.
    #[error("the source: {0}")]
    Source(StoreError),
    /// The target does not do what it was asked.
    #[error("the target: {0}")]
    Target(StoreError),
    /// The target is neither empty nor a copy that was begun.
    #[error(
        "the target holds {found}, which is not how the source begins: it is not empty, and not a copy of this source that was begun"
    )]
    NotEmpty {
        /// What it holds.
        found: String,
    },
}

/// A move.
#[derive(Clone, Copy)]
pub struct Transfer<'a> {
    /// Where from. It is only read.
    pub source: &'a dyn Installation,
    /// Where to.
    pub target: &'a dyn Installation,
    /// When. What has ended before is not moved.
    pub at: Timestamp,
}

impl std::fmt::Debug for Transfer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (source, target) = (self.source.location(), self.target.location());
        write!(f, "Transfer({source} -> {target})")
    }
}

impl Transfer<'_> {
    /// Reads all of the source and what there is of the target, and changes nothing.
    ///
    /// # Errors
    /// Also when the target holds something else.
    pub async fn survey(self, watch: &mut Watch<'_>) -> Result<Vec<Survey>, TransferError> {
        let mut surveys = Vec::new();
        for kind in Kind::all() {
            surveys.push(self.walk(kind, Step::Looking, watch).await?);
        }
        Ok(surveys)
    }

    /// Copies what the target does not hold yet.
    ///
    /// # Errors
    /// Also when a record of the source cannot be read: nothing is left out.
    pub async fn copy(self, watch: &mut Watch<'_>) -> Result<(), TransferError> {
        self.target
            .make_ready()
            .await
            .map_err(TransferError::Target)?;
        for kind in Kind::all() {
            self.walk(kind, Step::Writing, watch).await?;
        }
        Ok(())
    }

    /// Reads both sides from beginning to end.
    ///
    /// # Errors
    /// When one of them cannot be read. A difference is no error here: see [`Checked`].
    pub async fn check(self, watch: &mut Watch<'_>) -> Result<Vec<Checked>, TransferError> {
        let mut checked = Vec::new();
        for kind in Kind::all() {
            let source = self
                .sum(self.source, kind, Step::CheckingSource, watch)
                .await;
            let target = self
                .sum(self.target, kind, Step::CheckingTarget, watch)
                .await;
            checked.push(Checked {
                kind,
                source: source.map_err(TransferError::Source)?,
                target: target.map_err(TransferError::Target)?,
            });
        }
        Ok(checked)
    }

    /// Goes along both sides at once, and adds what the target lacks if it is for writing.
    async fn walk(
        self,
        kind: Kind,
        step: Step,
        watch: &mut Watch<'_>,
    ) -> Result<Survey, TransferError> {
        use TransferError::{Source, Target};
        let total = self.source.count(kind).await.map_err(Source)?;
        let mut source = Flow::new(self.source.read(kind).await.map_err(Source)?, self.at);
        // Given back at its end: a cursor is not left open while its collection grows.
        let mut there = Some(Flow::new(
            self.target.read(kind).await.map_err(Target)?,
            self.at,
        ));
        let mut survey = Survey {
            kind,
            source: 0,
            target: 0,
            unreadable: Tally::default(),
            unknown: BTreeMap::new(),
        };
        let mut missing = Vec::new();
        while let Some(record) = source.next().await.map_err(Source)? {
            let record = match record {
                Ok(record) => record,
                Err(error) if step == Step::Writing => return Err(Source(error)),
                Err(error) => {
                    survey.unreadable.add(|| error.to_string());
                    continue;
                }
            };
            survey.source += 1;
            if survey.source.is_multiple_of(BATCH.into()) {
                watch(Progress {
                    step,
                    what: kind.as_str(),
                    done: survey.source,
                    total,
                });
            }
            if let Some(flow) = &mut there {
                match flow.next().await.map_err(Target)? {
                    Some(found) => {
                        same(found, &record)?;
                        survey.target += 1;
                        continue;
                    }
                    None => there = None,
                }
            }
            if step == Step::Writing {
                missing.push(record);
                if missing.len() == BATCH as usize {
                    self.target.add(&missing).await.map_err(Target)?;
                    missing.clear();
                }
            }
        }
        if let Some(mut flow) = there
            && let Some(more) = flow.next().await.map_err(Target)?
        {
            return Err(not_empty(more));
        }
        if !missing.is_empty() {
            self.target.add(&missing).await.map_err(Target)?;
        }
        watch(Progress {
            step,
            what: kind.as_str(),
            done: survey.source,
            total,
        });
        survey.unknown = source.unknown;
        Ok(survey)
    }

    async fn sum(
        self,
        side: &dyn Installation,
        kind: Kind,
        step: Step,
        watch: &mut Watch<'_>,
    ) -> Result<Sum, StoreError> {
        let total = side.count(kind).await?;
        let mut flow = Flow::new(side.read(kind).await?, self.at);
        let mut hash = Sha256::new();
        let mut count = 0_u64;
        let mut tell = |done| {
            watch(Progress {
                step,
                what: kind.as_str(),
                done,
                total,
            });
        };
        while let Some(record) = flow.next().await? {
            hash.update(record?.canonical());
            count += 1;
            if count.is_multiple_of(BATCH.into()) {
                tell(count);
            }
        }
        tell(count);
        let sha256 = hex::encode(&hash.finalize());
        Ok(Sum { count, sha256 })
    }
}

fn same(found: Result<Record, StoreError>, wanted: &Record) -> Result<(), TransferError> {
    match found {
        Ok(found) if found.canonical() == wanted.canonical() => Ok(()),
        other => Err(not_empty(other)),
    }
}

fn not_empty(found: Result<Record, StoreError>) -> TransferError {
    let found = match found {
        Ok(record) => record.name(),
        Err(StoreError::Corrupt { what, .. }) => what,
        Err(error) => return TransferError::Target(error),
    };
    TransferError::NotEmpty { found }
}

/// One record after the other.
struct Flow<'a> {
    reader: Box<dyn Reader + 'a>,
    /// What has ended before is left out.
    at: Timestamp,
    waiting: VecDeque<Result<Record, StoreError>>,
    unknown: BTreeMap<String, u64>,
}

impl<'a> Flow<'a> {
    fn new(reader: Box<dyn Reader + 'a>, at: Timestamp) -> Self {
        Self {
            reader,
            at,
            waiting: VecDeque::new(),
            unknown: BTreeMap::new(),
        }
    }

    async fn next(&mut self) -> Result<Option<Result<Record, StoreError>>, StoreError> {
        loop {
            match self.waiting.pop_front() {
                Some(Ok(record)) if record.has_ended(self.at) => {}
                Some(record) => return Ok(Some(record)),
                None => {
                    let batch = self.reader.next().await?;
                    for field in batch.unknown {
                        *self.unknown.entry(field).or_default() += 1;
                    }
                    if batch.records.is_empty() {
                        return Ok(None);
                    }
                    self.waiting = batch.records.into();
                }
            }
        }
    }
}
