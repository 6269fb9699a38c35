//! The embedded store: one SQLite file, for one computer.
//!
//! One thread writes, a few read, one looks for what other processes did. The command line and the
//! server may use the same file at once.

mod changes;
mod fault;
mod installation;
mod open;
mod read;
mod readers;
mod rows;
mod schema;
mod sql;
mod threads;
mod write;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use nexus_core::{
    Environment, Identity, Message, OverrideWrite, PublicKey, RunId, Session, Timestamp,
    TokenDigest,
};
use tokio::sync::watch;

use self::changes::{Changes, Lookout};
use self::fault::conflict;
use self::readers::Readers;
use self::writer::Writer;
use crate::{
    ConfigStore, Created, Cursor, Erased, IdentityPage, IdentityStore, MessagePage, MessageStore,
    NewTemplate, SessionStore, Store, StoreError, StoreFacts, StoredTemplate, TemplateVersion,
};

pub use self::open::OpenError;

/// A store in one file, `nexus.db`, in a data folder.
///
/// A write that was begun is finished even when its caller leaves. Dropping the store finishes what
/// is queued and waits for its threads.
#[derive(Debug)]
pub struct EmbeddedStore {
    path: PathBuf,
    changes: Changes,
    // Dropped in this order: the connection that writes is the last, and tidies up.
    _lookout: Lookout,
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
        let no_thread = |error: io::Error| failed(format!("no thread could be started ({error})"));
        Ok(Self {
            _lookout: Lookout::start(lookout, changes.clone()).map_err(no_thread)?,
            readers: Readers::start(readers).map_err(no_thread)?,
            writer: Writer::start(connection, changes.clone()).map_err(no_thread)?,
            changes,
            path,
        })
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
            .write(move |file| write::put_template(file, &new, expected))
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

    async fn create_identity(&self, key: PublicKey, at: Timestamp) -> Result<Created, StoreError> {
        self.writer
            .write(move |file| write::create_identity(file, key, at))
            .await
    }

    async fn identities(
        &self,
        after: Option<PublicKey>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError> {
        self.readers
            .read(move |file| read::identities(file, after, limit))
            .await
    }

    async fn write_override(
        &self,
        identity: &Identity,
        write: &OverrideWrite,
    ) -> Result<Identity, StoreError> {
        let (identity, write) = (identity.clone(), write.clone());
        self.writer
            .write(move |file| write::write_override(file, &identity, &write))
            .await
    }

    async fn erase_identity(&self, key: PublicKey) -> Result<Erased, StoreError> {
        self.writer
            .erase(move |file| write::erase_identity(file, key))
            .await
    }
}

#[async_trait]
impl MessageStore for EmbeddedStore {
    async fn append(&self, owner: &Identity, message: Message) -> Result<(), StoreError> {
        if message.owner_key != owner.public_key {
            return Err(conflict(format!("the owner of message {}", message.id)));
        }
        let owner = (owner.public_key, owner.created_at);
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
}

#[async_trait]
impl SessionStore for EmbeddedStore {
    async fn create_session(&self, session: Session) -> Result<(), StoreError> {
        self.writer
            .write(move |file| write::create_session(file, &session))
            .await
    }

    async fn session(&self, digest: TokenDigest) -> Result<Option<Session>, StoreError> {
        self.readers
            .read(move |file| read::session(file, digest))
            .await
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        if !(self.writer.is_running() && self.readers.are_running()) {
            return Err(fault::stopped());
        }
        self.readers.read(read::ping).await
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        let (identities, messages) = self.readers.read(read::counts).await?;
        Ok(StoreFacts {
            kind: format!("embedded (SQLite {})", rusqlite::version()),
            location: self.path.display().to_string(),
            identities,
            messages,
        })
    }
}
