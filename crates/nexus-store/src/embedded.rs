//! The embedded store: one SQLite file, for one computer.
//!
//! One thread writes, a few read, one looks after the file. The command line and the server may use
//! the same file at once.

mod changes;
mod fault;
mod header;
mod housekeeping;
mod installation;
mod open;
mod presence;
mod purge;
mod quarantine;
mod read;
mod readers;
mod rows;
mod schema;
mod sql;
mod threads;
mod trust;
mod write;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use nexus_core::{
    Environment, Identity, IdentityWrite, Message, MessageId, Metadata, OverrideWrite, PublicKey,
    RunId, Session, SessionId, Standing, Timestamp, TokenDigest,
};

use self::changes::{Change, Changes, Lookout};
use self::fault::conflict;
use self::housekeeping::Housekeeping;
use self::presence::Presence;
use self::purge::Doomed;
use self::readers::Readers;
use self::trust::work;
use self::writer::Writer;
use crate::{
    ConfigStore, Created, Cursor, Erased, Evictions, IdentityPage, IdentityStore, Lease,
    MessagePage, MessageStore, NewTemplate, Purpose, RunStore, SessionStore, Shape, StandingCounts,
    Store, StoreError, StoreFacts, StoredTemplate, TemplateVersion,
};

pub use self::open::OpenError;

/// The longest history, in messages, that the thread that writes reads itself.
const SHORT_HISTORY: u32 = 64;

/// A store in one file, `nexus.db`, in a data folder.
///
/// A write that was begun is finished even when its caller leaves. Dropping the store finishes what
/// is queued and waits for its threads.
#[derive(Debug)]
pub struct EmbeddedStore {
    path: PathBuf,
    presence: Presence,
    changes: Changes,
    // Dropped in this order: the connection that writes is the last, and tidies up.
    lookout: Lookout,
    _house: Housekeeping,
    readers: Readers,
    writer: Writer,
}

impl EmbeddedStore {
    /// Opens the store in `folder`; what is missing is created. Blocks for as long as the disk
    /// takes.
    ///
    /// # Errors
    /// When something is in the way. Nothing that was there has been changed then.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let (path, connection) = open::open(folder)?;
        let failed = |reason: String| OpenError::Failed {
            path: path.clone(),
            reason,
        };
        let generation = changes::generation(&connection).map_err(|e| failed(e.to_string()))?;
        let changes = Changes::new(generation);
        let readers =
            std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
        let readers = (0..readers)
            .map(|_| open::open_reader(&path))
            .collect::<Result<_, _>>()?;
        let lookout = open::open_reader(&path)?;
        // Requests wait for this connection.
        let waits = lookout.busy_timeout(Duration::ZERO);
        waits.map_err(|e| failed(e.to_string()))?;
        let presence = Presence::new(&path).map_err(|e| failed(e.to_string()))?;
        let no_thread = |error: io::Error| failed(format!("no thread could be started ({error})"));
        let writer = Writer::start(connection, changes.clone(), presence.clone());
        let writer = writer.map_err(no_thread)?;
        let readers = Readers::start(readers, presence.clone()).map_err(no_thread)?;
        let house = Housekeeping::start(presence.clone(), writer.nudge());
        Ok(Self {
            lookout: Lookout::new(lookout, changes.clone(), presence.clone()),
            _house: house.map_err(no_thread)?,
            readers,
            writer,
            changes,
            presence,
            path,
        })
    }

    async fn erase(
        &self,
        key: PublicKey,
        left_at: Option<Timestamp>,
    ) -> Result<Erased, StoreError> {
        let erased = self.writer.erase(
            move |file| write::Erasure::of(key, left_at).run(file),
            |(_, subjects)| subjects.iter().copied().map(Change::from).collect(),
        );
        Ok(erased.await?.0)
    }
}

#[async_trait]
impl ConfigStore for EmbeddedStore {
    async fn template(
        &self,
        environment: Environment,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        self.readers
            .read(move |file| read::template(file, environment))
            .await
    }

    async fn template_version(
        &self,
        environment: Environment,
        version: u64,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        self.readers
            .read(move |file| read::template_version(file, environment, version))
            .await
    }

    async fn template_versions(
        &self,
        environment: Environment,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TemplateVersion>, StoreError> {
        self.readers
            .read(move |file| read::template_versions(file, environment, before, limit))
            .await
    }

    async fn put_template(
        &self,
        new: NewTemplate,
        expected: Option<u64>,
    ) -> Result<StoredTemplate, StoreError> {
        self.writer
            .change(
                move |file| write::put_template(file, &new, expected),
                |_| vec![Change::Template],
            )
            .await
    }
}

#[async_trait]
impl IdentityStore for EmbeddedStore {
    async fn identity(&self, key: PublicKey) -> Result<Option<Identity>, StoreError> {
        self.readers
            .read(move |file| read::identity(file, key))
            .await
    }

    async fn create_identity(
        &self,
        key: PublicKey,
        standing: Standing,
        at: Timestamp,
    ) -> Result<Created, StoreError> {
        self.writer
            .change(
                move |file| write::create_identity(file, key, standing, at),
                move |created| created.is_new.then_some(key.into()).into_iter().collect(),
            )
            .await
    }

    async fn identities(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError> {
        self.readers
            .read(move |file| read::identities(file, after, limit))
            .await
    }

    async fn identities_by_standing(
        &self,
        standing: Standing,
        after: Option<String>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError> {
        self.readers
            .read(move |file| work::identities_by_standing(file, standing, after, limit))
            .await
    }

    async fn count_identities(&self) -> Result<StandingCounts, StoreError> {
        self.readers.read(work::count_identities).await
    }

    async fn write_identity(
        &self,
        identity: &Identity,
        write: IdentityWrite,
    ) -> Result<Identity, StoreError> {
        let identity = identity.clone();
        self.writer
            .change(
                move |file| work::write_identity(file, &identity, write),
                |written| vec![written.public_key.into()],
            )
            .await
    }

    async fn write_override(
        &self,
        identity: &Identity,
        write: &OverrideWrite,
    ) -> Result<Identity, StoreError> {
        let (identity, write) = (identity.clone(), write.clone());
        self.writer
            .change(
                move |file| write::write_override(file, &identity, &write),
                |written| vec![written.public_key.into()],
            )
            .await
    }

    async fn erase_identity(&self, key: PublicKey) -> Result<Erased, StoreError> {
        self.erase(key, None).await
    }

    async fn leave(&self, key: PublicKey, at: Timestamp) -> Result<Erased, StoreError> {
        self.erase(key, Some(at)).await
    }
}

#[async_trait]
impl MessageStore for EmbeddedStore {
    async fn append(&self, owner: &Identity, message: Message) -> Result<(), StoreError> {
        let owner = whose(owner, &message)?;
        self.writer
            .write(move |file| write::append(file, owner, &message))
            .await
    }

    async fn history(
        &self,
        owner: &Identity,
        limit: u32,
        except: &RunId,
    ) -> Result<Vec<Message>, StoreError> {
        let (owner, except) = (owner.public_key, except.clone());
        self.readers
            .read(move |file| read::history(file, owner, limit, &except))
            .await
    }

    /// In one job of the thread that writes: a reader would have to be woken, and to read again all
    /// pages that were written since it read them last. A long history is left to the readers, so
    /// that other writes need not wait for it.
    async fn append_and_recall(
        &self,
        owner: &Identity,
        message: Message,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        if limit > SHORT_HISTORY {
            let run = message.run_id.clone();
            let append = self.append(owner, message);
            let ((), history) = tokio::try_join!(append, self.history(owner, limit, &run))?;
            return Ok(history);
        }
        let owner = whose(owner, &message)?;
        self.writer
            .write(move |file| {
                write::append(file, owner, &message)?;
                read::history(file, owner.0, limit, &message.run_id)
            })
            .await
    }

    async fn has_message(&self, owner: &Identity, id: &MessageId) -> Result<bool, StoreError> {
        let (owner, id) = (owner.public_key, id.clone());
        self.readers
            .read(move |file| read::has_message(file, owner, &id))
            .await
    }

    async fn set_metadata(
        &self,
        owner: &Identity,
        id: &MessageId,
        metadata: Metadata,
    ) -> Result<bool, StoreError> {
        let (owner, id) = (owner.public_key, id.clone());
        self.writer
            .write(move |file| write::set_message_metadata(file, owner, &id, &metadata))
            .await
    }

    async fn remove_messages(
        &self,
        owner: &Identity,
        ids: &[MessageId],
    ) -> Result<u64, StoreError> {
        let (owner, ids) = (owner.public_key, ids.to_vec());
        self.writer
            .write(move |file| write::remove_messages(file, owner, &ids))
            .await
    }

    async fn messages(
        &self,
        owner: &Identity,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError> {
        let owner = owner.public_key;
        self.readers
            .read(move |file| read::messages(file, owner, limit, before))
            .await
    }

    async fn run_messages(
        &self,
        owner: &Identity,
        run: &RunId,
        limit: u32,
        before: Option<Cursor>,
    ) -> Result<MessagePage, StoreError> {
        let (owner, run) = (owner.public_key, run.clone());
        self.readers
            .read(move |file| read::run_messages(file, owner, &run, limit, before))
            .await
    }

    async fn place(
        &self,
        owner: &Identity,
        message: &Message,
    ) -> Result<Option<Cursor>, StoreError> {
        let (owner, id) = (owner.public_key, message.id.clone());
        self.readers
            .read(move |file| read::place(file, owner, &id))
            .await
    }
}

/// Whose message this is: the key, and when it was registered.
fn whose(owner: &Identity, message: &Message) -> Result<(PublicKey, Timestamp), StoreError> {
    if message.owner_key != owner.public_key {
        return Err(conflict(format!("the owner of message {}", message.id)));
    }
    Ok((owner.public_key, owner.created_at))
}

/// One process serves a file, and knows its runs.
impl RunStore for EmbeddedStore {}

#[async_trait]
impl SessionStore for EmbeddedStore {
    async fn create_session(&self, session: Session) -> Result<(), StoreError> {
        let digest = session.digest;
        self.writer
            .change(
                move |file| write::create_session(file, &session),
                move |()| vec![digest.into()],
            )
            .await
    }

    async fn session(&self, digest: TokenDigest) -> Result<Option<Session>, StoreError> {
        self.readers
            .read(move |file| read::session(file, digest))
            .await
    }

    async fn sessions(&self, owner: PublicKey) -> Result<Vec<Session>, StoreError> {
        self.readers
            .read(move |file| work::sessions(file, owner))
            .await
    }

    async fn revoke_session(&self, owner: PublicKey, id: SessionId) -> Result<bool, StoreError> {
        let revoked = self.writer.change(
            move |file| work::revoke_session(file, owner, id),
            |revoked| revoked.iter().copied().map(Change::from).collect(),
        );
        Ok(revoked.await?.is_some())
    }

    async fn revoke_sessions(
        &self,
        owner: PublicKey,
        except: Option<TokenDigest>,
    ) -> Result<u64, StoreError> {
        let revoked = self.writer.change(
            move |file| work::revoke_sessions(file, owner, except),
            |revoked| revoked.iter().copied().map(Change::from).collect(),
        );
        Ok(revoked.await?.len() as u64)
    }

    async fn touch_session(&self, digest: TokenDigest, at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(move |file| work::touch_session(file, digest, at))
            .await
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    fn evictions(&self) -> Evictions {
        self.changes.evictions().clone()
    }

    async fn lease(&self, _: Purpose) -> Result<Lease, StoreError> {
        self.lookout.lease()
    }

    async fn purge(&self, at: Timestamp) -> Result<u64, StoreError> {
        let find = self.readers.read(move |file| Doomed::find(file, at));
        let doomed = find.await?;
        self.writer.write(move |file| doomed.remove(file, at)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        if !(self.writer.is_running() && self.readers.are_running()) {
            return Err(fault::stopped());
        }
        self.presence.check()?;
        self.readers.read(read::ping).await
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        let (identities, messages) = self.readers.read(read::counts).await?;
        Ok(StoreFacts {
            kind: format!("embedded (SQLite {})", rusqlite::version()),
            location: self.path.display().to_string(),
            identities,
            messages,
            shape: Shape::File,
            time: None,
        })
    }
}
