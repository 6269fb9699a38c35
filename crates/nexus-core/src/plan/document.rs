//! Where two documents differ.

use nexus_api::template::DocumentChange;
use serde_json::Value;

use super::contrast::{contrast, short};
use crate::genesis::{GenesisDoc, escape, secret};

/// Every place where two documents differ. Secrets are not shown, also when they are what differs.
#[must_use]
pub fn document_changes(before: &GenesisDoc, after: &GenesisDoc) -> Vec<DocumentChange> {
    let mut changes = Vec::new();
    let (before, after) = (before.as_map(), after.as_map());
    for name in before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)))
    {
        let place = Place {
            pointer: format!("/{}", escape(name)),
            name,
        };
        place.compare(before.get(name), after.get(name), &mut changes);
    }
    changes
}

/// A place, and the name of the innermost key on the way to it.
struct Place<'a> {
    pointer: String,
    name: &'a str,
}

impl Place<'_> {
    fn compare(
        &self,
        before: Option<&Value>,
        after: Option<&Value>,
        changes: &mut Vec<DocumentChange>,
    ) {
        match (before, after) {
            (before, after) if before == after => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                let new = after.keys().filter(|name| !before.contains_key(*name));
                for name in before.keys().chain(new) {
                    self.below(name, name)
                        .compare(before.get(name), after.get(name), changes);
                }
            }
            // Lists of different lengths are shown whole: which element is which is anybody's guess.
            (Some(Value::Array(before)), Some(Value::Array(after)))
                if before.len() == after.len() =>
            {
                for (index, (before, after)) in before.iter().zip(after).enumerate() {
                    self.below(&index.to_string(), self.name).compare(
                        Some(before),
                        Some(after),
                        changes,
                    );
                }
            }
            (before, after) => changes.push(self.change(before, after)),
        }
    }

    fn below<'a>(&self, key: &str, name: &'a str) -> Place<'a> {
        Place {
            pointer: format!("{}/{}", self.pointer, escape(key)),
            name,
        }
    }

    fn change(&self, before: Option<&Value>, after: Option<&Value>) -> DocumentChange {
        let shown = |value| secret::shown(self.name, value);
        let (before, after) = match (before.map(shown), after.map(shown)) {
            (Some(before), Some(after)) => {
                let (before, after) = contrast(&before, &after);
                (Some(before), Some(after))
            }
            (before, after) => (before.as_ref().map(short), after.as_ref().map(short)),
        };
        DocumentChange {
            pointer: self.pointer.clone(),
            before,
            after,
        }
    }
}
