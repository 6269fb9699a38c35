//! What is asked of the file, and what changes it. What changes it runs inside a transaction of the
//! writer.

use chrono::{NaiveDate, TimeDelta};
use nexus_core::auth::InstallationSecret;
use nexus_core::{
    ApiKey, ApiKeyId, AuditEntry, AuditHead, Identity, IdentityWrite, NewAudit, NonceId, PublicKey,
    RunId, Session, SessionId, Standing, Timestamp, TokenDigest, Usage, UsageCount, UsageKey,
};
use rusqlite::{Connection, Params, Row};
use serde::Serialize;

use super::rows;
use crate::embedded::quarantine::bytes;
use crate::embedded::read::{self, all, name, number, one, one_more, page, readable};
use crate::embedded::rows as stored;
use crate::embedded::sql::trust as sql;
use crate::embedded::write::{execute, gone, insert};
use crate::quarantine;
use crate::types::ENDED_KEYS;
use crate::{
    AuditPage, Collection, Counter, IdentityPage, MAX_API_KEYS, RECENT_RUNS, Running,
    StandingCounts, StoreError,
};

/// How long what has expired is kept: clocks are set back, and other computers have their own.
const GRACE: TimeDelta = TimeDelta::hours(1);

pub(in crate::embedded) fn sessions(
    connection: &Connection,
    owner: PublicKey,
) -> Result<Vec<Session>, StoreError> {
    // The name of a session is its digest, and is not the first column.
    let found = all(connection, sql::SESSIONS, [owner.to_string()], |row| {
        quarantine::found(stored::session(row), Collection::Sessions, || name(row, 7))
    })?;
    let (mut sessions, _) = quarantine::sorted(found);
    sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
    Ok(sessions)
}

/// Gives the digest of the session that was removed.
pub(in crate::embedded) fn revoke_session(
    connection: &Connection,
    owner: PublicKey,
    id: SessionId,
) -> Result<Option<TokenDigest>, StoreError> {
    // Their digests only: a session that cannot be read can still be revoked.
    let owner = owner.to_string();
    let mut digests = all(connection, sql::SESSION_DIGESTS, [&owner], digest)?.into_iter();
    let Some(digest) = digests.find(|digest| SessionId::of(digest) == id) else {
        return Ok(None);
    };
    let is_gone = execute(connection, sql::REVOKE_SESSION, (digest.as_bytes(), owner))? == 1;
    Ok(is_gone.then_some(digest))
}

/// Gives the digests of the sessions that were removed.
pub(in crate::embedded) fn revoke_sessions(
    connection: &Connection,
    owner: PublicKey,
    except: Option<TokenDigest>,
) -> Result<Vec<TokenDigest>, StoreError> {
    let except = except.as_ref().map(TokenDigest::as_bytes);
    let parameters = (owner.to_string(), except);
    all(connection, sql::REVOKE_SESSIONS, parameters, digest)
}

fn digest(row: &Row<'_>) -> Result<TokenDigest, StoreError> {
    Ok(TokenDigest::from_bytes(row.get(0)?))
}

pub(in crate::embedded) fn touch_session(
    connection: &Connection,
    digest: TokenDigest,
    at: Timestamp,
) -> Result<(), StoreError> {
    let parameters = (digest.as_bytes(), at.timestamp_millis());
    execute(connection, sql::TOUCH_SESSION, parameters).map(drop)
}

pub(in crate::embedded) fn identities_by_standing(
    connection: &Connection,
    standing: Standing,
    after: Option<String>,
    limit: u32,
) -> Result<IdentityPage, StoreError> {
    let after = bytes(&after.unwrap_or_default());
    let parameters = (standing.as_str(), after, one_more(limit));
    read::identity_page(connection, sql::IDENTITIES_BY_STANDING, parameters, limit)
}

pub(in crate::embedded) fn count_identities(
    connection: &Connection,
) -> Result<StandingCounts, StoreError> {
    let count = |standing: Standing| -> Result<u64, StoreError> {
        let count = one(
            connection,
            sql::COUNT_IDENTITIES,
            [standing.as_str()],
            |row| Ok(row.get::<_, i64>(0)?),
        )?;
        Ok(count.unwrap_or(0).cast_unsigned())
    };
    Ok(StandingCounts {
        active: count(Standing::Active)?,
        pending: count(Standing::Pending)?,
        disabled: count(Standing::Disabled)?,
    })
}

pub(in crate::embedded) fn write_identity(
    connection: &Connection,
    identity: &Identity,
    write: IdentityWrite,
) -> Result<Identity, StoreError> {
    let key = identity.public_key;
    let life = (
        key.to_string(),
        identity.created_at.timestamp_millis(),
        number(identity.version),
    );
    let changed = match write {
        IdentityWrite::Standing(standing) => {
            let parameters = (life.0, life.1, life.2, standing.as_str());
            execute(connection, sql::SET_STANDING, parameters)?
        }
        IdentityWrite::Admin(is_admin) => {
            let parameters = (life.0, life.1, life.2, is_admin);
            execute(connection, sql::SET_ADMIN, parameters)?
        }
    };
    if changed == 0 {
        return Err(gone(key));
    }
    read::identity(connection, key)?.ok_or_else(|| gone(key))
}

pub(super) fn create_api_key(
    connection: &Connection,
    registered_at: Timestamp,
    key: &ApiKey,
) -> Result<(), StoreError> {
    let parameters = rusqlite::params![
        key.owner_key.to_string(),
        registered_at.timestamp_millis(),
        key.id.to_string(),
        key.digest.as_bytes(),
        key.name.as_str(),
        json(&key.scopes)?,
        key.models.as_ref().map(json).transpose()?,
        key.created_at.timestamp_millis(),
        key.expires_at.timestamp_millis(),
        key.last_used_at.map(|at| at.timestamp_millis()),
        key.revoked_at.map(|at| at.timestamp_millis()),
    ];
    let live = one(
        connection,
        sql::COUNT_API_KEYS,
        (key.owner_key.to_string(), key.created_at.timestamp_millis()),
        |row| Ok(row.get::<_, u32>(0)?),
    )?;
    if live.unwrap_or(0) >= MAX_API_KEYS {
        return Err(StoreError::Full {
            what: "API keys",
            limit: MAX_API_KEYS,
        });
    }
    let what = || format!("API key {}", key.id);
    if insert(connection, sql::ADD_API_KEY, parameters, what)? == 0 {
        return Err(gone(key.owner_key));
    }
    let over = (
        key.owner_key.to_string(),
        key.created_at.timestamp_millis(),
        ENDED_KEYS,
    );
    execute(connection, sql::FORGET_API_KEYS, over)?;
    Ok(())
}

pub(super) fn api_key(connection: &Connection, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    one(connection, sql::API_KEY, [id.to_string()], rows::api_key)
}

pub(super) fn api_keys(
    connection: &Connection,
    owner: PublicKey,
) -> Result<Vec<ApiKey>, StoreError> {
    readable(
        connection,
        sql::API_KEYS,
        [owner.to_string()],
        Collection::ApiKeys,
        rows::api_key,
    )
}

pub(super) fn revoke_api_key(
    connection: &Connection,
    owner: PublicKey,
    id: ApiKeyId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let parameters = (id.to_string(), owner.to_string(), at.timestamp_millis());
    Ok(execute(connection, sql::REVOKE_API_KEY, parameters)? == 1)
}

pub(super) fn touch_api_key(
    connection: &Connection,
    id: ApiKeyId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let parameters = (id.to_string(), at.timestamp_millis());
    execute(connection, sql::TOUCH_API_KEY, parameters).map(drop)
}

pub(super) fn use_nonce(
    connection: &Connection,
    nonce: NonceId,
    at: Timestamp,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let parameters = (nonce.as_bytes(), expires_at.timestamp_millis());
    let is_first = execute(connection, sql::USE_NONCE, parameters)? == 1;
    execute(connection, sql::FORGET_NONCES, [forgotten(at)])?;
    Ok(is_first)
}

pub(super) fn installation_secret(
    connection: &Connection,
    candidate: &InstallationSecret,
) -> Result<InstallationSecret, StoreError> {
    execute(connection, sql::ADD_INSTALLATION, [candidate.expose()])?;
    let read = |row: &rusqlite::Row<'_>| row.get::<_, [u8; 32]>(0);
    let bytes = connection
        .prepare_cached(sql::INSTALLATION)?
        .query_row([], read)?;
    Ok(InstallationSecret::from_bytes(bytes))
}

pub(super) fn append_audit(
    connection: &Connection,
    new: NewAudit,
) -> Result<AuditEntry, StoreError> {
    let entry = new.after(audit_head(connection)?);
    add_audit(connection, &entry)?;
    Ok(entry)
}

/// Adds an entry as it is.
pub(in crate::embedded) fn add_audit(
    connection: &Connection,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let parameters = rusqlite::params![
        number(entry.seq),
        entry.at.timestamp_millis(),
        entry.actor.to_string(),
        entry.action.as_str(),
        entry.target.as_str(),
        json(&entry.details)?,
        entry.signature,
        entry.previous.to_string(),
        entry.hash.to_string(),
    ];
    let what = || format!("audit entry {}", entry.seq);
    insert(connection, sql::ADD_AUDIT, parameters, what).map(drop)
}

pub(super) fn audit(
    connection: &Connection,
    after: u64,
    limit: u32,
) -> Result<AuditPage, StoreError> {
    let parameters = (number(after), one_more(limit));
    audit_page(connection, sql::AUDIT, parameters, limit)
}

pub(super) fn audit_about(
    connection: &Connection,
    key: PublicKey,
    after: u64,
    limit: u32,
) -> Result<AuditPage, StoreError> {
    let parameters = (key.to_string(), number(after), one_more(limit));
    audit_page(connection, sql::AUDIT_ABOUT, parameters, limit)
}

fn audit_page(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    limit: u32,
) -> Result<AuditPage, StoreError> {
    let entries = all(connection, sql, parameters, |row| {
        let entry = quarantine::found(rows::audit(row), Collection::Audit, || name(row, 0))?;
        Ok((entry, row.get::<_, i64>(0)?))
    })?;
    let (entries, has_more) = page(entries, limit);
    let next = entries.last().filter(|_| has_more);
    let next = next.and_then(|(_, seq)| u64::try_from(*seq).ok());
    let (entries, unreadable) = quarantine::sorted(entries.into_iter().map(|it| it.0));
    Ok(AuditPage {
        entries,
        unreadable,
        next,
    })
}

pub(super) fn audit_head(connection: &Connection) -> Result<Option<AuditHead>, StoreError> {
    one(connection, sql::AUDIT_HEAD, [], rows::audit_head)
}

pub(super) fn add_usage(
    connection: &Connection,
    registered_at: Timestamp,
    run: &RunId,
    key: &UsageKey,
    count: UsageCount,
) -> Result<(), StoreError> {
    let entry = format!("{run} ");
    let parameters = (
        key.owner.to_string(),
        key.day.to_string(),
        &key.model,
        number(count.runs),
        number(count.input_tokens),
        number(count.output_tokens),
        number(count.cached_input_tokens),
        number(count.reasoning_tokens),
        number(count.cost_micros),
        number(count.estimated_runs),
        registered_at.timestamp_millis(),
        &entry,
        i64::from(RECENT_RUNS) * i64::try_from(entry.len()).unwrap_or(i64::MAX),
    );
    if execute(connection, sql::ADD_USAGE, parameters)? > 0 {
        return Ok(());
    }
    // It was counted before, or there is no owner.
    let owner = read::identity(connection, key.owner)?;
    let at = registered_at.timestamp_millis();
    match owner.filter(|owner| owner.created_at.timestamp_millis() == at) {
        Some(_) => Ok(()),
        None => Err(gone(key.owner)),
    }
}

pub(super) fn usage(
    connection: &Connection,
    owner: PublicKey,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<Usage>, StoreError> {
    let parameters = (owner.to_string(), from.to_string(), to.to_string());
    // A row has its name in three columns, of which the owner is the same in all.
    let found = all(connection, sql::USAGE, parameters, |row| {
        quarantine::found(rows::usage(row, owner), Collection::Usage, || {
            format!("{owner} {} {}", name(row, 0), name(row, 1))
        })
    })?;
    Ok(quarantine::sorted(found).0)
}

pub(super) fn add_to_counter(
    connection: &Connection,
    counter: Counter,
    by: u64,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let parameters = (
        counter.id.as_bytes(),
        counter.owner.map(|owner| owner.to_string()),
        number(by),
        counter.expires_at.timestamp_millis(),
    );
    let total = one(connection, sql::ADD_TO_COUNTER, parameters, |row| {
        Ok(row.get::<_, i64>(0)?)
    })?;
    execute(connection, sql::FORGET_COUNTERS, [forgotten(at)])?;
    Ok(total.unwrap_or(0).cast_unsigned())
}

pub(super) fn tell_running(
    connection: &Connection,
    running: &Running,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let (owner, node) = (running.owner.to_string(), running.node.as_str());
    let forgotten = (&owner, node, at.timestamp_millis());
    execute(connection, sql::FORGET_RUNNING, forgotten)?;
    if running.runs > 0 {
        let until = (at + running.holds).timestamp_millis();
        let told = (&owner, node, number(running.runs), until);
        execute(connection, sql::ADD_RUNNING, told)?;
    }
    let elsewhere = one(connection, sql::RUNNING_ELSEWHERE, (owner, node), |row| {
        Ok(row.get::<_, i64>(0)?)
    })?;
    Ok(elsewhere.unwrap_or(0).cast_unsigned())
}

/// What expired before this moment is not needed any more.
pub(in crate::embedded) fn forgotten(at: Timestamp) -> i64 {
    (at - GRACE).timestamp_millis()
}

pub(in crate::embedded) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable {
        reason: error.to_string(),
    })
}
