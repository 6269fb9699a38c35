//! How a message of the original is judged.

use std::collections::HashSet;

use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::{Bson, doc};
use nexus_core::{PublicKey, Role};

use super::identities::unreadable;
use super::pages::{Rules, Verdict};
use super::{Change, Concern};
use crate::StoreError;
use crate::mongo::documents;

pub(super) const RULES: Rules = Rules {
    what: "messages",
    judge,
};

fn judge(document: &RawDocument, collisions: &HashSet<String>) -> Verdict {
    let mut verdict = Verdict::default();
    let name = || document.get_str("id").unwrap_or("without an id").to_owned();
    let owner = document.get_str("owner_key").unwrap_or_default();
    let lower = owner.to_ascii_lowercase();
    let key: Option<PublicKey> = lower.parse().ok();
    if lower != owner && key.is_some() {
        let change = ("owner_key", owner.into(), lower.as_str().into());
        verdict.plan(Change::LowerOwner, name(), change);
    }
    let role = document.get_str("role").unwrap_or_default();
    if let Some(wanted) = normal(role).filter(|wanted| *wanted != role) {
        let told = format!("{}: {role} becomes {wanted}", name());
        verdict.plan(
            Change::RenameRole,
            told,
            ("role", role.into(), wanted.into()),
        );
    }
    if matches!(document.get("metadata"), Ok(Some(RawBsonRef::Null))) {
        let change = ("metadata", Bson::Null, doc! {}.into());
        verdict.plan(Change::FillInMessage, name(), change);
    }
    if collisions.contains(&lower) && !verdict.set.is_empty() {
        return Verdict {
            concern: Some((Concern::HeldBack, format!("{} of {owner}", name()))),
            ..Verdict::default()
        };
    }
    let read = match key {
        Some(key) => verdict
            .outcome(document)
            .and_then(|outcome| documents::message(&outcome, key)),
        None => Err(StoreError::Corrupt {
            what: format!("message {}", name()),
            reason: format!("owner_key is {owner:?}, expected 0x and 40 hexadecimal digits"),
        }),
    };
    if let Err(error) = read {
        verdict.concern = Some((Concern::Message, unreadable(document, &error)));
    }
    verdict
}

/// What a stored role means: any mixture of upper and lower case, the name of Python's enumeration
/// before it (`Role.HUMAN`), and the two names that the providers' APIs have for the same.
fn normal(role: &str) -> Option<&'static str> {
    let name = match role.split_once('.') {
        Some((before, name)) if before.eq_ignore_ascii_case("role") => name,
        _ => role,
    };
    let known = Role::parse(name).or_else(|| {
        [("user", Role::Human), ("assistant", Role::Ai)]
            .into_iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, role)| role)
    });
    known.map(Role::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_get_the_four_names_and_nothing_is_guessed() {
        for (stored, meant) in [
            ("human", "human"),
            ("HUMAN", "human"),
            ("Ai", "ai"),
            ("Role.TOOL", "tool"),
            ("SYSTEM", "system"),
            ("user", "human"),
            ("Assistant", "ai"),
        ] {
            assert_eq!(normal(stored), Some(meant), "{stored}");
        }
        for unknown in ["", "bot", "developer", "function", "x.human", "role."] {
            assert_eq!(normal(unknown), None, "{unknown}");
        }
    }
}
