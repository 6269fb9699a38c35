//! What is asked of the file. Each function is one statement, and so sees one state of the data.

use nexus_core::{
    Environment, Identity, Message, MessageId, PublicKey, RunId, Session, TokenDigest, hex,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row};

use super::quarantine::bytes;
use super::{changes, rows, sql};
use crate::quarantine::{self, Found};
use crate::{
    Collection, Cursor, IdentityPage, MAX_PAGE_BYTES, MessagePage, StoreError, StoredTemplate,
    TemplateVersion,
};

pub(super) fn ping(connection: &Connection) -> Result<(), StoreError> {
    changes::generation(connection)?;
    Ok(())
}

pub(super) fn template(
    connection: &Connection,
    environment: Environment,
) -> Result<Option<StoredTemplate>, StoreError> {
    one(connection, sql::TEMPLATE, [environment.as_str()], |row| {
        rows::template(row, environment)
    })
}

pub(super) fn template_version(
    connection: &Connection,
    environment: Environment,
    version: u64,
) -> Result<Option<StoredTemplate>, StoreError> {
    let parameters = (environment.as_str(), number(version));
    one(connection, sql::TEMPLATE_VERSION, parameters, |row| {
        rows::template(row, environment)
    })
}

pub(super) fn template_versions(
    connection: &Connection,
    environment: Environment,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<TemplateVersion>, StoreError> {
    let before = before.map_or(i64::MAX, number);
    let parameters = (environment.as_str(), before, limit.max(1));
    all(connection, sql::TEMPLATE_VERSIONS, parameters, |row| {
        rows::template_version(row, environment)
    })
}

pub(super) fn identity(
    connection: &Connection,
    key: PublicKey,
) -> Result<Option<Identity>, StoreError> {
    one(connection, sql::IDENTITY, [key.to_string()], rows::identity)
}

pub(super) fn identities(
    connection: &Connection,
    after: Option<String>,
    limit: u32,
) -> Result<IdentityPage, StoreError> {
    let parameters = (bytes(&after.unwrap_or_default()), one_more(limit));
    identity_page(connection, sql::IDENTITIES, parameters, limit)
}

/// A page of what a statement gives that names the columns as [`sql::IDENTITIES`] does.
pub(super) fn identity_page(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    limit: u32,
) -> Result<IdentityPage, StoreError> {
    let identities = each(
        connection,
        sql,
        parameters,
        Collection::Identities,
        rows::identity,
    )?;
    let (identities, has_more) = page(identities, limit);
    let next = identities.last().map(|(_, name)| name.clone());
    let (identities, unreadable) = quarantine::sorted(identities.into_iter().map(|it| it.0));
    Ok(IdentityPage {
        identities,
        unreadable,
        next: next.filter(|_| has_more),
    })
}

pub(super) fn history(
    connection: &Connection,
    owner: PublicKey,
    limit: u32,
    except: &RunId,
) -> Result<Vec<Message>, StoreError> {
    let parameters = (owner.to_string(), except.as_str(), limit);
    let messages = Collection::Messages;
    let mut messages = readable(connection, sql::HISTORY, parameters, messages, |row| {
        rows::message(row, owner)
    })?;
    messages.reverse();
    Ok(messages)
}

pub(super) fn has_message(
    connection: &Connection,
    owner: PublicKey,
    id: &MessageId,
) -> Result<bool, StoreError> {
    let parameters = (id.as_str(), owner.to_string());
    let found = one(connection, sql::HAS_MESSAGE, parameters, |_| Ok(()))?;
    Ok(found.is_some())
}

pub(super) fn messages(
    connection: &Connection,
    owner: PublicKey,
    limit: u32,
    before: Option<Cursor>,
) -> Result<MessagePage, StoreError> {
    let parameters = (owner.to_string(), place_before(before), one_more(limit));
    message_page(connection, sql::MESSAGES, parameters, owner, limit)
}

pub(super) fn run_messages(
    connection: &Connection,
    owner: PublicKey,
    run: &RunId,
    limit: u32,
    before: Option<Cursor>,
) -> Result<MessagePage, StoreError> {
    let (name, before) = (owner.to_string(), place_before(before));
    let parameters = (name, run.as_str(), before, one_more(limit));
    message_page(connection, sql::RUN_MESSAGES, parameters, owner, limit)
}

pub(super) fn place(
    connection: &Connection,
    owner: PublicKey,
    id: &MessageId,
) -> Result<Option<Cursor>, StoreError> {
    let parameters = (id.as_str(), owner.to_string());
    one(connection, sql::PLACE, parameters, |row| {
        Ok(Cursor(row.get(0)?))
    })
}

fn place_before(before: Option<Cursor>) -> i64 {
    before.map_or(i64::MAX, |cursor| cursor.0)
}

/// A page of what a statement gives that names the columns as [`sql::MESSAGES`] does.
fn message_page(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    owner: PublicKey,
    limit: u32,
) -> Result<MessagePage, StoreError> {
    let mut size = 0;
    let mut is_full = false;
    let rows = all_until(connection, sql, parameters, |row| {
        let before = size;
        size += length(row, 3)? + length(row, 5)?;
        is_full = before > 0 && size > MAX_PAGE_BYTES;
        if is_full {
            return Ok(None);
        }
        let read = rows::message(row, owner);
        let message = quarantine::found(read, Collection::Messages, || name(row, 0))?;
        Ok(Some((message, Cursor(row.get(6)?))))
    })?;
    let (rows, has_more) = page(rows, limit);
    let has_more = has_more || is_full;
    let next = rows.last().filter(|_| has_more).map(|(_, cursor)| *cursor);
    let (messages, unreadable) = quarantine::sorted(rows.into_iter().map(|it| it.0));
    Ok(MessagePage {
        messages,
        unreadable,
        next,
    })
}

pub(super) fn session(
    connection: &Connection,
    digest: TokenDigest,
) -> Result<Option<Session>, StoreError> {
    one(connection, sql::SESSION, [digest.as_bytes()], rows::session)
}

/// How many identities and messages there are.
pub(super) fn counts(connection: &Connection) -> Result<(u64, u64), StoreError> {
    let count = |row: &Row<'_>, index| row.get(index).map(i64::cast_unsigned);
    Ok(connection.query_row(sql::COUNTS, [], |row| Ok((count(row, 0)?, count(row, 1)?)))?)
}

/// As `SQLite` counts. No version is as large as the largest number.
pub(super) fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// A page holds at least one entry, or walking through the pages would never end.
pub(super) fn one_more(limit: u32) -> i64 {
    i64::from(limit.max(1)) + 1
}

/// Takes off the entry that was only read to know whether there are more.
pub(super) fn page<T>(mut rows: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let size = limit.max(1) as usize;
    let has_more = rows.len() > size;
    rows.truncate(size);
    (rows, has_more)
}

pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    rows.next()?.map(read).transpose()
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    all_until(connection, sql, parameters, |row| read(row).map(Some))
}

/// All rows before the first one of which `read` gives nothing.
fn all_until<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<Option<T>, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row)? {
            Some(value) => values.push(value),
            None => break,
        }
    }
    Ok(values)
}

/// The length of a value, in bytes.
fn length(row: &Row<'_>, index: usize) -> Result<usize, StoreError> {
    Ok(match row.get_ref(index)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
    })
}
/// All rows with their names, also those that cannot be read. The name is the first column.
pub(super) fn each<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    collection: Collection,
    mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<(Found<T>, String)>, StoreError> {
    all(connection, sql, parameters, |row| {
        let document = quarantine::found(read(row), collection, || name(row, 0))?;
        Ok((document, name(row, 0)))
    })
}

/// All rows that can be read.
pub(super) fn readable<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    collection: Collection,
    read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let found = each(connection, sql, parameters, collection, read)?;
    Ok(quarantine::sorted(found.into_iter().map(|it| it.0)).0)
}

/// What stands before the hexadecimal digits of a name that is no text.
pub(super) const BYTES: &str = "hex:";

/// The value of a column as a name. Different values have different names.
pub(super) fn name(row: &Row<'_>, index: usize) -> String {
    let bytes = |bytes: &[u8]| format!("{BYTES}{}", hex::encode(bytes));
    match row.get_ref(index) {
        Ok(ValueRef::Text(text)) => match str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes(text),
        },
        Ok(ValueRef::Blob(blob)) => bytes(blob),
        Ok(ValueRef::Integer(number)) => number.to_string(),
        Ok(ValueRef::Real(number)) => number.to_string(),
        Ok(ValueRef::Null) | Err(_) => String::new(),
    }
}
