//! What a new template would change, told before it is stored: in the document, for people, and in
//! what people have stored. Identities are added one at a time, so any number of them fits.

mod contrast;
mod document;
mod effective;
mod policy;

use nexus_api::template::{ChangedProfile, RefusedOverride};
use serde_json::Value;

use crate::policy::Refusal;
use crate::profile::LayerValues;
use crate::{ConfigField, EffectiveProfile, Field, Genesis, Overrides, PublicKey};

pub use nexus_api::template::{
    DocumentChange, FieldChange, PeopleChange as People, Plan, PolicyChange,
};

pub use document::document_changes;
pub use policy::policy_changes;

/// How many examples are given of each kind.
pub const EXAMPLES: usize = 5;

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
                    public_key: key.into(),
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
                    public_key: key.into(),
                    value: matches!(field, Field::Config(_)).then(|| contrast::short(&value)),
                    field: field.to_string(),
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
