//! The data folder or the database: whether it can be read and written, and what it is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use nexus_core::Timestamp;
use nexus_store::{Shape, Store, StoreFacts};

use crate::failure::Failure;
use crate::{Shell, private, wire};

use super::report::{Area, Report};

/// What is written into the data folder, and taken away again.
const TRIAL: &str = ".nexus-doctor";

/// What everything else is looked up in.
pub(super) struct Data {
    pub(super) store: Arc<dyn Store>,
    /// A clock of another machine: whose it is, and by how much it is ahead of ours.
    pub(super) clock: Option<(String, chrono::TimeDelta)>,
}

pub(super) async fn look(shell: &Shell, report: &mut Report<'_>) -> Option<Data> {
    let settings = &shell.settings;
    report.area(Area::Data);
    report.progress("opening the data …");
    let opened = wire::open_existing(settings).await;
    let read = match &opened {
        Ok(store) => store.facts().await.map_err(Failure::from),
        Err(_) => Err(Failure::new(String::new())),
    };
    report.progress_is_over();
    let store = match opened {
        Ok(store) => store,
        Err(failure) => {
            report.fail(failure.message(), failure.advice().unwrap_or_default());
            return None;
        }
    };
    let facts = match read {
        Ok(facts) => facts,
        Err(failure) => {
            report.fail(
                failure.message(),
                "look whether the database runs, whether its address is right (--database, \
                 MONGO_URI or nexus.yml), and whether the user may use it",
            );
            store.close().await;
            return None;
        }
    };
    let (identities, messages) = (facts.identities, facts.messages);
    report.ok(format!(
        "{} at {}: identities: {identities}, messages: {messages}",
        facts.kind, facts.location
    ));
    shape(&facts.shape, report);
    if facts.shape == Shape::File {
        folder(&settings.data, Path::new(&facts.location), report);
    }
    let clock = clock(&facts);
    Some(Data { store, clock })
}

fn shape(shape: &Shape, report: &mut Report<'_>) {
    match shape {
        Shape::File | Shape::Sharded => {}
        Shape::Standalone => report.warn(
            "the database is a single server: what is lost there is lost, and every request reads \
             its identity and its session",
            "start it as a replica set: docs/scaling.md tells how",
        ),
        Shape::Replicas {
            set,
            members,
            up: Some(up),
        } if up < members => report.warn(
            format!("of the replica set {set}, {up} of {members} members are up"),
            "look at the members that are down: `rs.status()` in a shell of MongoDB names them",
        ),
        Shape::Replicas { set, members, .. } if *members < 3 => report.warn(
            format!("the replica set {set} has {members} of the three members that it should have"),
            "with fewer than three, the loss of one can stop everything: docs/scaling.md",
        ),
        Shape::Replicas { set, members, .. } => {
            report.ok(format!("the replica set {set} has {members} members"));
        }
    }
}

/// Whether there is room, and who else can look in.
fn folder(folder: &Path, database: &Path, report: &mut Report<'_>) {
    match try_to_write(folder) {
        Ok(()) => report.ok(format!("{} can be written", folder.display())),
        Err(error) => report.fail(
            format!("{} cannot be written: {error}", folder.display()),
            "look who owns it, whether the disk is full, and whether it is mounted for reading only",
        ),
    }
    if private::is_open_to_others(database).unwrap_or(false) {
        report.warn(
            format!(
                "other users of this machine can read {}",
                database.display()
            ),
            format!("`chmod 600 {}`", database.display()),
        );
    }
}

fn try_to_write(folder: &Path) -> io::Result<()> {
    let trial = folder.join(format!("{TRIAL}-{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&trial)
        .and_then(|mut file| {
            file.write_all(&[0; 4096])?;
            file.sync_all()
        });
    _ = fs::remove_file(&trial);
    written
}

fn clock(facts: &StoreFacts) -> Option<(String, chrono::TimeDelta)> {
    let ahead = |time: Timestamp| time - wire::now();
    facts
        .time
        .map(|time| ("the database".to_owned(), ahead(time)))
}
