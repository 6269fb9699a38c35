//! How an identity of the original is judged.

use std::collections::HashSet;

use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::{Bson, doc};
use nexus_core::PublicKey;

use super::pages::{Rules, Verdict};
use super::{Change, Concern};
use crate::StoreError;
use crate::mongo::documents;

pub(super) const RULES: Rules = Rules {
    what: "identities",
    judge,
};

const MAPS: [&str; 3] = ["config_overrides", "prompt_overrides", "metadata"];

pub(super) fn judge(document: &RawDocument, collisions: &HashSet<String>) -> Verdict {
    let mut verdict = Verdict::default();
    let key = document.get_str("public_key").unwrap_or_default();
    let lower = key.to_ascii_lowercase();
    if collisions.contains(&lower) {
        return verdict; // It is reported already, with the others.
    }
    if lower != key && lower.parse::<PublicKey>().is_ok() {
        let name = format!("{key} becomes {lower}");
        verdict.plan(
            Change::LowerKey,
            name,
            ("public_key", key.into(), lower.into()),
        );
    }
    for field in MAPS {
        if is_empty(document, field) {
            // As a condition, null also means that it is missing.
            let change = (field, Bson::Null, doc! {}.into());
            verdict.plan(Change::FillInIdentity, key.to_owned(), change);
        }
    }
    let outcome = verdict.outcome(document);
    let read = outcome.and_then(|outcome| documents::whole_identity(&outcome));
    if let Err(error) = read {
        verdict.concern = Some((Concern::Identity, unreadable(document, &error)));
    }
    verdict
}

/// Whether a field is missing or null.
pub(super) fn is_empty(document: &RawDocument, field: &str) -> bool {
    matches!(document.get(field), Ok(None | Some(RawBsonRef::Null)))
}

/// Which document it is, and what is wrong with it.
pub(super) fn unreadable(document: &RawDocument, error: &StoreError) -> String {
    let id = document.get("_id").ok().flatten();
    let id = id.and_then(|id| Bson::try_from(id).ok());
    let id = id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    match error {
        StoreError::Corrupt { what, reason } => format!("{what} (_id {id}): {reason}"),
        other => format!("_id {id}: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, rawdoc};

    use super::*;

    #[test]
    fn what_nexus_wrote_is_left_alone() {
        let document = rawdoc! {
            "_id": 1, "public_key": format!("0x{}", "ab".repeat(20)),
            "created_at": DateTime::from_millis(0), "metadata": {}, "config_overrides": {},
            "prompt_overrides": {}, "version": 1,
        };
        let verdict = judge(&document, &HashSet::new());
        assert!(verdict.set.is_empty() && verdict.concern.is_none());
    }

    #[test]
    fn a_name_that_is_no_address_is_not_made_lower_case() {
        let document = rawdoc! {"_id": 1, "public_key": "0x_YU"};
        let verdict = judge(&document, &HashSet::new());
        assert!(!verdict.set.contains_key("public_key"));
        assert!(matches!(verdict.concern, Some((Concern::Identity, _))));
    }
}
