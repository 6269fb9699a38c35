//! From rows to values. What somebody edited by hand into something unreadable is an error that
//! names it; nothing is guessed and nothing is changed.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta};
use nexus_core::genesis::GenesisDoc;
use nexus_core::{
    Environment, Identity, Label, Message, MessageId, Metadata, PublicKey, Role, RunId, Scope,
    Session, Standing, Timestamp, TokenDigest,
};
use rusqlite::Row;
use rusqlite::types::FromSql;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::read::name;
use crate::installation::WholeIdentity;
use crate::{StoreError, StoredTemplate, TemplateVersion};

/// Columns as [`sql::IDENTITY`](super::sql::IDENTITY) names them.
pub(super) fn identity(row: &Row<'_>) -> Result<Identity, StoreError> {
    whole_identity(row).map(Identity::from)
}

/// The same columns, nothing left out.
pub(super) fn whole_identity(row: &Row<'_>) -> Result<WholeIdentity, StoreError> {
    let key = name(row, 0);
    let read = Read {
        row,
        what: &format_args!("identity {key}"),
    };
    let standing: String = read.column(6, "standing")?;
    Ok(WholeIdentity {
        standing: Standing::parse(&standing).ok_or_else(|| {
            read.corrupt(format_args!(
                "standing is {standing:?}, expected active, pending or disabled"
            ))
        })?,
        is_admin: read.column(7, "is_admin")?,
        config_overrides: read.object(3, "config_overrides")?,
        prompt_overrides: read.object(4, "prompt_overrides")?,
        public_key: key.parse().map_err(|error| read.corrupt(error))?,
        created_at: read.time(1, "created_at")?,
        metadata: read.object(2, "metadata")?,
        version: read.count(5, "version")?,
    })
}

/// Columns as [`sql::HISTORY`](super::sql::HISTORY) and `MESSAGES` name them.
pub(super) fn message(row: &Row<'_>, owner_key: PublicKey) -> Result<Message, StoreError> {
    let id = name(row, 0);
    let read = Read {
        row,
        what: &format_args!("message {id}"),
    };
    let role: String = read.column(2, "role")?;
    let metadata: String = read.column(5, "metadata")?;
    Ok(Message {
        id: MessageId::try_from(read.column::<String>(0, "id")?)
            .map_err(|error| read.corrupt(error))?,
        run_id: RunId::try_from(read.column::<String>(1, "run_id")?)
            .map_err(|error| read.corrupt(format_args!("run_id: {error}")))?,
        owner_key,
        role: Role::parse(&role).ok_or_else(|| {
            read.corrupt(format_args!(
                "role is {role:?}, expected human, ai, tool or system"
            ))
        })?,
        content: read.column(3, "content")?,
        timestamp: read.time(4, "timestamp")?,
        metadata: Metadata::from_json(metadata)
            .ok_or_else(|| read.corrupt("metadata is not a JSON object"))?,
    })
}

/// Columns as [`sql::TEMPLATE`](super::sql::TEMPLATE) names them.
pub(super) fn template(
    row: &Row<'_>,
    environment: Environment,
) -> Result<StoredTemplate, StoreError> {
    let version: i64 = row.get(0)?;
    let read = Read {
        row,
        what: &format_args!("the {environment} template, version {version}"),
    };
    Ok(StoredTemplate {
        environment,
        version: read.count(0, "version")?,
        doc: GenesisDoc::new(read.object(1, "doc")?),
        author: read.column(2, "author")?,
        created_at: read.time(3, "created_at")?,
        hash: read.column(4, "hash")?,
    })
}

/// Columns as [`sql::TEMPLATE_VERSIONS`](super::sql::TEMPLATE_VERSIONS) names them.
pub(super) fn template_version(
    row: &Row<'_>,
    environment: Environment,
) -> Result<TemplateVersion, StoreError> {
    let version: i64 = row.get(0)?;
    let read = Read {
        row,
        what: &format_args!("the {environment} template, version {version}"),
    };
    // Its number is what counts: a version whose books cannot be read is followed by another.
    Ok(TemplateVersion {
        version: read.count(0, "version")?,
        author: name(row, 1),
        created_at: read.time(2, "created_at").unwrap_or_default(),
        hash: name(row, 3),
    })
}

/// Columns as [`sql::SESSION`](super::sql::SESSION) names them.
pub(super) fn session(row: &Row<'_>) -> Result<Session, StoreError> {
    let owner = name(row, 0);
    let read = Read {
        row,
        what: &format_args!("a session of {owner}"),
    };
    let scope: String = read.column(3, "scope")?;
    let created_at = read.time(1, "created_at")?;
    Ok(Session {
        digest: TokenDigest::from_bytes(read.column(7, "digest")?),
        owner_key: owner.parse().map_err(|error| read.corrupt(error))?,
        scope: Scope::parse(&scope).ok_or_else(|| {
            read.corrupt(format_args!(
                "scope is {scope:?}, expected personal or admin"
            ))
        })?,
        created_at,
        last_seen_at: read.optional_time(4, "last_seen_at")?.unwrap_or(created_at),
        idle: read
            .column::<Option<i64>>(5, "idle")?
            .map(TimeDelta::milliseconds),
        expires_at: read.time(2, "expires_at")?,
        client: Label::cut(&read.column::<String>(6, "client")?),
    })
}

/// A row, and what to call it when it cannot be read.
pub(super) struct Read<'a> {
    pub(super) row: &'a Row<'a>,
    pub(super) what: &'a dyn Display,
}

impl Read<'_> {
    pub(super) fn corrupt(&self, reason: impl Display) -> StoreError {
        StoreError::Corrupt {
            what: self.what.to_string(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn column<T: FromSql>(&self, index: usize, name: &str) -> Result<T, StoreError> {
        self.row
            .get(index)
            .map_err(|error| self.corrupt(format_args!("{name}: {error}")))
    }

    pub(super) fn time(&self, index: usize, name: &str) -> Result<Timestamp, StoreError> {
        let milliseconds = self.column(index, name)?;
        DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| {
            self.corrupt(format_args!(
                "{name} is {milliseconds}, expected milliseconds since 1970"
            ))
        })
    }

    pub(super) fn count(&self, index: usize, name: &str) -> Result<u64, StoreError> {
        let count: i64 = self.column(index, name)?;
        u64::try_from(count)
            .map_err(|_| self.corrupt(format_args!("{name} is {count}, expected 0 or more")))
    }

    pub(super) fn optional_time(
        &self,
        index: usize,
        name: &str,
    ) -> Result<Option<Timestamp>, StoreError> {
        match self.column::<Option<i64>>(index, name)? {
            None => Ok(None),
            Some(_) => self.time(index, name).map(Some),
        }
    }

    pub(super) fn parsed<T>(&self, index: usize, name: &str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Display>,
    {
        let text: String = self.column(index, name)?;
        text.parse()
            .map_err(|error| self.corrupt(format_args!("{name}: {error}")))
    }

    pub(super) fn json<T: DeserializeOwned>(
        &self,
        index: usize,
        name: &str,
    ) -> Result<T, StoreError> {
        let text: String = self.column(index, name)?;
        serde_json::from_str(&text).map_err(|error| self.corrupt(format_args!("{name}: {error}")))
    }

    fn object(&self, index: usize, name: &str) -> Result<Map<String, Value>, StoreError> {
        let text: String = self.column(index, name)?;
        serde_json::from_str(&text)
            .map_err(|error| self.corrupt(format_args!("{name} is not a JSON object: {error}")))
    }
}
