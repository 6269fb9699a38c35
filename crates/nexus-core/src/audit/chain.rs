//! Whether a chain of entries is whole.

use std::fmt;

use super::{AuditEntry, AuditHash, AuditHead};

/// A chain that is not what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit is broken at entry {seq}: {damage}")]
pub struct BrokenAt {
    /// The number of the first entry that is not as it was.
    pub seq: u64,
    /// What is wrong there.
    pub damage: Damage,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Another entry stands in its place: it is missing, or was moved, or one was put in before it.
    Misplaced {
        /// The number of the entry that stands there.
        found: u64,
    },
    /// Its hash is not that of what it says.
    Changed,
    /// It follows an entry that is not the one before it.
    Unlinked,
    /// It is missing, and so is everything after it.
    Missing,
    /// It is there, and is not the one that was the last.
    Replaced,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misplaced { found } => write!(f, "entry {found} stands in its place"),
            Self::Changed => f.write_str("what it says was changed after it was recorded"),
            Self::Unlinked => f.write_str("it does not follow the entry before it"),
            Self::Missing => f.write_str("it is missing, with everything after it"),
            Self::Replaced => f.write_str("it is not the entry that was there"),
        }
    }
}

/// Checks a chain entry by entry, as pages of it are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    head: Option<AuditHead>,
    expected: Option<AuditHead>,
}

impl Chain {
    /// A chain that must still hold the entry which was once its last. Without one, entries that
    /// were taken away at the end are not noticed.
    #[must_use]
    pub const fn expecting(expected: Option<AuditHead>) -> Self {
        Self {
            head: None,
            expected,
        }
    }

    /// Checks the next entry, beginning with the first of all.
    ///
    /// # Errors
    /// When it cannot be the next one.
    pub fn check(&mut self, entry: &AuditEntry) -> Result<(), BrokenAt> {
        let seq = self.head.map_or(1, |head| head.seq + 1);
        let broken = |damage| Err(BrokenAt { seq, damage });
        if entry.seq != seq {
            return broken(Damage::Misplaced { found: entry.seq });
        }
        if entry.previous != self.head.map_or(AuditHash::NONE, |head| head.hash) {
            return broken(Damage::Unlinked);
        }
        if entry.hash != entry.expected_hash() {
            return broken(Damage::Changed);
        }
        if self
            .expected
            .is_some_and(|expected| expected.seq == seq && expected != entry.head())
        {
            return broken(Damage::Replaced);
        }
        self.head = Some(entry.head());
        Ok(())
    }

    /// Says that there are no more entries. Gives the last one; keep it, and expect it next time.
    ///
    /// # Errors
    /// When the chain is shorter than it was.
    pub fn finish(self) -> Result<Option<AuditHead>, BrokenAt> {
        let length = self.head.map_or(0, |head| head.seq);
        match self.expected {
            Some(expected) if expected.seq > length => Err(BrokenAt {
                seq: length + 1,
                damage: Damage::Missing,
            }),
            _ => Ok(self.head),
        }
    }
}

/// Checks a whole chain at once. See [`Chain`] for one that is read in pages, or whose last entry
/// is known.
///
/// # Errors
/// The first entry that is not as it was recorded.
pub fn verify<'a>(entries: impl IntoIterator<Item = &'a AuditEntry>) -> Result<(), BrokenAt> {
    let mut chain = Chain::default();
    entries.into_iter().try_for_each(|entry| chain.check(entry))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::audit::{Actor, Change, Details, NewAudit};
    use crate::{Label, Timestamp};

    fn chain(length: u64) -> Vec<AuditEntry> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        for number in 1..=length {
            let change = Change::new(None, Some(&json!(number)));
            let new = NewAudit {
                at: Timestamp::from_timestamp_millis(1_700_000_000_123).unwrap(),
                actor: Actor::Local(Label::cut("zoë")),
                action: Label::cut("config.set"),
                target: Label::cut("0xabababababababababababababababababababab"),
                details: Details::from([("config.temperature".to_owned(), change)]),
                signature: (number % 2 == 0).then(|| "sig1=:AAAA:".to_owned()),
            };
            entries.push(new.after(entries.last().map(AuditEntry::head)));
        }
        entries
    }

    fn broken(entries: &[AuditEntry]) -> (u64, Damage) {
        let BrokenAt { seq, damage } = verify(entries).unwrap_err();
        (seq, damage)
    }

    #[test]
    fn a_chain_as_it_was_recorded_is_whole() {
        let entries = chain(5);
        assert_eq!(verify(&entries), Ok(()));
        assert_eq!(verify(&[]), Ok(()));
        let read: Vec<AuditEntry> =
            serde_json::from_str(&serde_json::to_string(&entries).unwrap()).unwrap();
        assert_eq!(read, entries);
        // Frozen: what was recorded once must stay verifiable.
        assert_eq!(
            entries[0].hash.to_string(),
            "4be40ce7edf6635272e768e14943bc57925db036168adf681aa518b97511e46d"
        );
    }

    /// S15: every character of every field, one after the other.
    #[test]
    fn t38_any_changed_character_of_any_field_is_noticed() {
        let whole = chain(3);
        let document = serde_json::to_value(&whole[1]).unwrap();
        let mut changes = 0;
        for (name, value) in document.as_object().unwrap() {
            for changed in neighbours(value) {
                let mut edited = document.clone();
                edited[name] = changed;
                let Ok(entry) = serde_json::from_value(edited) else {
                    continue; // Not even readable any more.
                };
                let entries = [whole[0].clone(), entry, whole[2].clone()];
                let found = broken(&entries);
                assert_eq!(found.0, 2, "{name}: {found:?}");
                changes += 1;
            }
        }
        assert!(changes > 100, "{changes}");
    }

    /// Every value that differs in one place from this one.
    fn neighbours(value: &Value) -> Vec<Value> {
        match value {
            Value::String(text) => (0..text.len())
                .filter(|&at| text.is_char_boundary(at) && text.as_bytes()[at].is_ascii())
                .map(|at| {
                    let other = if text.as_bytes()[at] == b'1' {
                        "2"
                    } else {
                        "1"
                    };
                    format!("{}{other}{}", &text[..at], &text[at + 1..]).into()
                })
                .chain([Value::Null])
                .collect(),
            Value::Number(number) => vec![json!(number.as_u64().unwrap() + 1)],
            Value::Object(object) => object
                .iter()
                .flat_map(|(name, value)| {
                    let inside = neighbours(value).into_iter();
                    let inside = inside.map(|value| json!({name: value}));
                    inside.chain([json!({}), json!({"other": value})])
                })
                .collect(),
            Value::Null => vec![json!("1")],
            Value::Bool(_) | Value::Array(_) => Vec::new(),
        }
    }

    #[test]
    fn an_entry_that_is_missing_swapped_or_put_in_is_noticed() {
        let mut missing = chain(4);
        missing.remove(1);
        assert_eq!(broken(&missing), (2, Damage::Misplaced { found: 3 }));
        assert_eq!(broken(&missing[1..]), (1, Damage::Misplaced { found: 3 }));

        let mut swapped = chain(4);
        swapped.swap(1, 2);
        assert_eq!(broken(&swapped), (2, Damage::Misplaced { found: 3 }));

        // Whoever changes an entry and all hashes that follow from it needs all entries after it.
        let whole = chain(4);
        let mut forged = NewAudit {
            action: Label::cut("prompt.set"),
            at: whole[1].at,
            actor: whole[1].actor.clone(),
            target: whole[1].target.clone(),
            details: Details::new(),
            signature: None,
        }
        .after(Some(whole[0].head()));
        let inserted = [
            whole[0].clone(),
            forged.clone(),
            whole[1].clone(),
            whole[2].clone(),
        ];
        assert_eq!(broken(&inserted), (3, Damage::Misplaced { found: 2 }));
        let replaced = [whole[0].clone(), forged.clone(), whole[2].clone()];
        assert_eq!(broken(&replaced), (3, Damage::Unlinked));
        forged.hash = whole[1].hash;
        let replaced = [whole[0].clone(), forged, whole[2].clone()];
        assert_eq!(broken(&replaced), (2, Damage::Changed));
    }

    #[test]
    fn t38_a_cut_off_or_rewritten_end_is_noticed_by_who_kept_the_head() {
        let check = |entries: &[AuditEntry], expected| {
            let mut chain = Chain::expecting(expected);
            entries.iter().try_for_each(|entry| chain.check(entry))?;
            chain.finish()
        };
        let whole = chain(4);
        let head = Some(whole[2].head());
        assert_eq!(check(&whole, head), Ok(Some(whole[3].head())));
        assert_eq!(check(&whole[..2], None), Ok(Some(whole[1].head())));
        let broken = |seq, damage| Err(BrokenAt { seq, damage });
        assert_eq!(check(&whole[..2], head), broken(3, Damage::Missing));
        assert_eq!(check(&[], head), broken(1, Damage::Missing));
        let rewritten = NewAudit {
            at: whole[2].at,
            actor: Actor::System,
            action: Label::cut("config.set"),
            target: Label::default(),
            details: Details::new(),
            signature: None,
        }
        .after(Some(whole[1].head()));
        let rewritten = [whole[0].clone(), whole[1].clone(), rewritten];
        assert_eq!(check(&rewritten, head), broken(3, Damage::Replaced));
        assert_eq!(check(&rewritten, None).unwrap().unwrap().seq, 3);
    }
}
