//! What a new template would change, told before it is stored: in the document, for people, and in
//! what people have stored. Identities are added one at a time, so any number of them fits.

mod contrast;
mod document;
mod effective;
mod policy;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::policy::Refusal;
use crate::profile::LayerValues;
use crate::{ConfigField, EffectiveProfile, Field, Genesis, Overrides, PublicKey};

pub use document::{DocumentChange, document_changes};
pub use effective::FieldChange;
pub use policy::{PolicyChange, policy_changes};

/// How many examples are given of each kind.
pub const EXAMPLES: usize = 5;

/// What a new template would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The places of the document.
    pub document: Vec<DocumentChange>,
    /// What people may do and have to sign. Empty also when there is no usable template to compare
    /// with.
    pub policy: Vec<PolicyChange>,
    /// What changes for people. `None`: there is no usable template to compare with.
    pub people: Option<People>,
}

impl Plan {
    /// Whether nothing changes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let nobody = |people: &People| people.changed == 0 && people.refused == 0;
        self.document.is_empty() && self.people.as_ref().is_none_or(nobody)
    }
}

/// What a new template would change for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct People {
    /// How many identities were looked at.
    pub read: u64,
    /// Whether there are more, which were not looked at.
    pub has_more: bool,
    /// How many of them get another profile.
    pub changed: u64,
    /// The counts, by field.
    pub changed_fields: BTreeMap<String, u64>,
    /// The first of them.
    pub changed_examples: Vec<ChangedProfile>,
    /// How many stored overrides are in force now and would be refused.
    pub refused: u64,
    /// Of how many people.
    #[serde(default)]
    pub refused_people: u64,
    /// The counts, by field.
    #[serde(default)]
    pub refused_fields: BTreeMap<String, u64>,
    /// The first of them.
    pub refused_examples: Vec<RefusedOverride>,
}

/// Somebody who would get another profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangedProfile {
    /// Who.
    pub public_key: PublicKey,
    /// What would change for them.
    pub changes: Vec<FieldChange>,
}

/// A stored override that would lose its effect. It stays stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusedOverride {
    /// Whose.
    pub public_key: PublicKey,
    /// The field.
    pub field: Field,
    /// What they set, for settings. The words of a prompt are theirs.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub value: Option<Value>,
    /// The code of the refusal, such as `unknown_model` or `field_locked`.
    pub code: Cow<'static, str>,
    /// Why, for people.
    pub reason: String,
}

/// `null` is a value: only what is absent is nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Collects what changes for people.
#[derive(Debug)]
pub struct Planner<'a> {
    before: &'a Genesis,
    after: &'a Genesis,
    people: People,
    /// What changes for everybody who changed nothing: worked out once.
    untouched: Option<Vec<FieldChange>>,
}

impl<'a> Planner<'a> {
    /// Begins with nobody.
    #[must_use]
    pub fn new(before: &'a Genesis, after: &'a Genesis) -> Self {
        Self {
            before,
            after,
            people: People::default(),
            untouched: None,
        }
    }

    /// Adds one identity.
    pub fn add(&mut self, key: PublicKey, overrides: &Overrides) {
        self.people.read += 1;
        let changes = if *overrides == Overrides::default() {
            let (before, after) = (self.before, self.after);
            self.untouched
                .get_or_insert_with(|| changes(before, after, overrides))
        } else {
            &changes(self.before, self.after, overrides)
        };
        if !changes.is_empty() {
            self.people.changed += 1;
            for change in changes {
                match self.people.changed_fields.get_mut(&change.field) {
                    Some(count) => *count += 1,
                    None => {
                        let field = change.field.clone();
                        self.people.changed_fields.insert(field, 1);
                    }
                }
            }
            if self.people.changed_examples.len() < EXAMPLES {
                self.people.changed_examples.push(ChangedProfile {
                    public_key: key,
                    changes: changes.clone(),
                });
            }
        }
        self.add_refused(key, overrides);
    }

    /// How many identities were added.
    #[must_use]
    pub const fn read(&self) -> u64 {
        self.people.read
    }

    /// What changes for everybody who was added. `has_more`: there are others.
    #[must_use]
    pub fn finish(self, has_more: bool) -> People {
        People {
            has_more,
            ..self.people
        }
    }

    fn add_refused(&mut self, key: PublicKey, overrides: &Overrides) {
        let settings = ConfigField::ALL.into_iter().map(Field::from);
        let prompts = overrides.prompts.keys().cloned().map(Field::from);
        let mut is_refused = false;
        for field in settings.chain(prompts) {
            let Some(value) = overrides.get(&field) else {
                continue;
            };
            let Some(refusal) = newly_refused(self.before, self.after, &field, &value) else {
                continue;
            };
            self.people.refused += 1;
            is_refused = true;
            *self
                .people
                .refused_fields
                .entry(field.to_string())
                .or_default() += 1;
            if self.people.refused_examples.len() < EXAMPLES {
                self.people.refused_examples.push(RefusedOverride {
                    public_key: key,
                    value: matches!(field, Field::Config(_)).then(|| contrast::short(&value)),
                    field,
                    code: refusal.code().into(),
                    reason: refusal.to_string(),
                });
            }
        }
        self.people.refused_people += u64::from(is_refused);
    }
}

fn newly_refused(
    before: &Genesis,
    after: &Genesis,
    field: &Field,
    value: &Value,
) -> Option<Refusal> {
    before.admit(field, value).ok()?;
    after.admit(field, value).err()
}

fn changes(before: &Genesis, after: &Genesis, overrides: &Overrides) -> Vec<FieldChange> {
    let layers = [LayerValues::identity(overrides)];
    effective::changes(
        &EffectiveProfile::resolve(before, &layers),
        &EffectiveProfile::resolve(after, &layers),
    )
}
