//! From rows to values.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use nexus_core::{
    ApiKey, ApiScope, AuditEntry, AuditHead, Label, PublicKey, TokenDigest, Usage, UsageCount,
    UsageKey,
};
use rusqlite::Row;

use crate::StoreError;
use crate::embedded::read::name;
use crate::embedded::rows::Read;

/// Columns as [`API_KEY`](crate::embedded::sql::trust::API_KEY) names them.
pub(in crate::embedded) fn api_key(row: &Row<'_>) -> Result<ApiKey, StoreError> {
    let id = name(row, 0);
    let read = Read {
        row,
        what: &format_args!("API key {id}"),
    };
    let scopes: Vec<String> = read.json(4, "scopes")?;
    let scopes = scopes.iter().map(|scope| {
        ApiScope::parse(scope)
            .ok_or_else(|| read.corrupt(format_args!("the scope {scope:?} is not known")))
    });
    Ok(ApiKey {
        id: id.parse().map_err(|error| read.corrupt(error))?,
        digest: TokenDigest::from_bytes(read.column(1, "digest")?),
        owner_key: read.parsed(2, "owner_key")?,
        name: Label::cut(&read.column::<String>(3, "name")?),
        scopes: scopes.collect::<Result<_, _>>()?,
        models: match read.column::<Option<String>>(5, "models")? {
            None => None,
            Some(_) => Some(read.json::<BTreeSet<String>>(5, "models")?),
        },
        created_at: read.time(6, "created_at")?,
        expires_at: read.time(7, "expires_at")?,
        last_used_at: read.optional_time(8, "last_used_at")?,
        revoked_at: read.optional_time(9, "revoked_at")?,
    })
}

/// Columns as [`AUDIT`](crate::embedded::sql::trust::AUDIT) names them.
pub(in crate::embedded) fn audit(row: &Row<'_>) -> Result<AuditEntry, StoreError> {
    let seq: i64 = row.get(0)?;
    let read = Read {
        row,
        what: &format_args!("audit entry {seq}"),
    };
    let label = |index, name| {
        let text: String = read.column(index, name)?;
        Label::try_from(text).map_err(|error| read.corrupt(format_args!("{name}: {error}")))
    };
    Ok(AuditEntry {
        seq: read.count(0, "seq")?,
        at: read.time(1, "at")?,
        actor: read.parsed(2, "actor")?,
        action: label(3, "action")?,
        target: label(4, "target")?,
        details: read.json(5, "details")?,
        signature: read.column(6, "signature")?,
        previous: read.parsed(7, "previous")?,
        hash: read.parsed(8, "hash")?,
    })
}

/// Columns as [`AUDIT_HEAD`](crate::embedded::sql::trust::AUDIT_HEAD) names them.
pub(in crate::embedded) fn audit_head(row: &Row<'_>) -> Result<AuditHead, StoreError> {
    let read = Read {
        row,
        what: &"the last audit entry",
    };
    Ok(AuditHead {
        seq: read.count(0, "seq")?,
        hash: read.parsed(1, "hash")?,
    })
}

/// Columns as [`USAGE`](crate::embedded::sql::trust::USAGE) names them.
pub(in crate::embedded) fn usage(row: &Row<'_>, owner: PublicKey) -> Result<Usage, StoreError> {
    let read = Read {
        row,
        what: &format_args!("the usage of {owner}"),
    };
    Ok(Usage {
        key: UsageKey {
            owner,
            day: read.parsed::<NaiveDate>(0, "day")?,
            model: read.column(1, "model")?,
        },
        count: UsageCount {
            runs: read.count(2, "runs")?,
            input_tokens: read.count(3, "input_tokens")?,
            output_tokens: read.count(4, "output_tokens")?,
            cached_input_tokens: read.count(5, "cached_input_tokens")?,
            reasoning_tokens: read.count(6, "reasoning_tokens")?,
            cost_micros: read.count(7, "cost_micros")?,
            estimated_runs: read.count(8, "estimated_runs")?,
        },
    })
}
