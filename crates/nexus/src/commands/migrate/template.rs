//! The template of an original database: looked at as `nexus template apply` would, compared with
//! what the original did, and, on request, repaired.

use std::collections::{BTreeMap, BTreeSet};

use nexus_core::egress::Secrets;
use nexus_core::genesis::{GenesisDoc, Problem};
use nexus_core::plan::{Plan, Planner, document_changes, policy_changes};
use nexus_core::{Environment, Field, Genesis};
use nexus_run::{Destination, Proposal};
use nexus_store::{Original, UncheckedTemplate};
use serde::Serialize;

use crate::commands::template::plan;
use crate::failure::Failure;
use crate::output::printable;
use crate::settings::key_file::KeyFile;
use crate::{Shell, here, settings, wire};

/// How many different fields are looked at: the known ones, and as many prompts.
const MAX_FIELDS: usize = 200;

/// What was found out about one template.
#[derive(Debug, Serialize)]
pub(super) struct Look {
    environment: Environment,
    /// Whether this is about the repaired template.
    repaired: bool,
    /// Why it cannot be used.
    problems: Vec<Problem>,
    /// What changes for people, compared with the original. `None`: its mistakes hide it.
    plan: Option<Plan>,
    /// The names that keys get: provider to variable.
    keys: BTreeMap<String, String>,
    /// The version that it was stored as.
    version: Option<u64>,
    #[serde(skip)]
    doc: GenesisDoc,
}

/// All templates that nothing looked at before.
#[derive(Debug)]
pub(super) struct Looks {
    pub(super) all: Vec<Look>,
    /// With the keys of the repaired templates.
    keys: KeyFile,
}

impl Looks {
    pub(super) async fn take(
        shell: &Shell,
        original: &Original,
        repair: bool,
    ) -> Result<Self, Failure> {
        let templates = original.unchecked_templates().await?;
        let mut looks = Self {
            all: Vec::new(),
            keys: shell.settings.keys.clone(),
        };
        if templates.is_empty() {
            return Ok(looks);
        }
        let mut changed = BTreeSet::new();
        let mut add = |_, overrides: &nexus_core::Overrides| {
            for (field, _) in overrides.iter() {
                if changed.len() < MAX_FIELDS {
                    changed.insert(field);
                }
            }
        };
        original.each_identity(&mut add).await?;
        for template in templates {
            let about = (&changed, repair);
            let look = looks.one(shell, original, template, about).await?;
            looks.all.push(look);
        }
        Ok(looks)
    }

    async fn one(
        &mut self,
        shell: &Shell,
        original: &Original,
        template: UncheckedTemplate,
        (changed, repair): (&BTreeSet<Field>, bool),
    ) -> Result<Look, Failure> {
        let UncheckedTemplate { environment, doc } = template;
        let (used, mut keys) = (doc.as_the_original_used_it(changed), BTreeMap::new());
        let new = if repair {
            let mut repaired = doc.opened_for(changed);
            for key in doc.clear_keys() {
                let variable = self.keys.add(&key);
                repaired.name_key(&key.provider, &variable);
                keys.insert(key.provider, variable);
            }
            repaired
        } else {
            doc.clone()
        };
        let secrets = |environment| shell.settings.secrets_with(environment, &self.keys);
        let checked = Genesis::check(&new, &secrets(environment));
        // A key in clear is a mistake in production only, and hides nothing about people.
        let lenient = secrets(Environment::Development);
        let plan = match (usable(&used, &lenient), usable(&new, &lenient)) {
            (Some(before), Some(after)) => {
                let mut planner = Planner::new(&before, &after);
                let mut add = |key, overrides: &_| planner.add(key, overrides);
                original.each_identity(&mut add).await?;
                Some(Plan {
                    document: document_changes(&doc, &new),
                    policy: policy_changes(&before, &after),
                    people: Some(planner.finish(false)),
                })
            }
            _ => None,
        };
        Ok(Look {
            environment,
            repaired: new != doc,
            problems: checked.err().map_or_else(Vec::new, |problems| problems.0),
            plan,
            keys,
            version: None,
            doc: new,
        })
    }

    /// How many things about the templates need a decision.
    pub(super) fn to_decide(&self) -> u64 {
        self.all.iter().map(Look::to_decide).sum()
    }

    /// Whether there is a template to be stored.
    pub(super) fn is_repair(&self) -> bool {
        self.all.iter().any(|look| look.repaired)
    }

    /// Before any document changes: keys get to their file, and out of the database.
    pub(super) async fn move_keys(&self, original: &Original) -> Result<(), Failure> {
        if self.all.iter().all(|look| look.keys.is_empty()) {
            return Ok(());
        }
        self.keys.write()?;
        for look in &self.all {
            original.name_keys(look.environment, &look.keys).await?;
        }
        Ok(())
    }

    /// Stores what can be used, in the way of `nexus template apply`.
    pub(super) async fn store(&mut self, shell: &Shell) -> Result<(), Failure> {
        let ready = |look: &&mut Look| look.repaired && look.problems.is_empty();
        let looks: Vec<_> = self.all.iter_mut().filter(ready).collect();
        if looks.is_empty() {
            return Ok(());
        }
        let store = wire::open(&shell.settings).await?;
        let author = settings::user();
        let author = author.as_deref().unwrap_or("somebody at the command line");
        for look in looks {
            let secrets = shell.settings.secrets_with(look.environment, &self.keys);
            let destination = Destination {
                store: &*store,
                environment: look.environment,
                secrets: &secrets,
                // Everybody was looked at before.
                at_most: Some(1),
            };
            let proposal = Proposal::new(destination, look.doc.clone()).await?;
            let administration = here::administration(&*store);
            let stored = proposal.store(&administration, author).await?;
            look.version = Some(stored.version);
        }
        Ok(())
    }

    pub(super) fn print(&self, shell: &Shell) {
        for look in &self.all {
            look.print(shell, &self.keys);
        }
    }
}

fn usable(doc: &GenesisDoc, secrets: &Secrets) -> Option<Genesis> {
    let checked = Genesis::check(doc, secrets).ok()?;
    Some(checked.genesis)
}

impl Look {
    fn refused(&self) -> u64 {
        let people = self.plan.as_ref().and_then(|plan| plan.people.as_ref());
        people.map_or(0, |people| people.refused)
    }

    /// A template with mistakes counts once, and so does each override that would have no effect.
    fn to_decide(&self) -> u64 {
        u64::from(!self.problems.is_empty()) + self.refused()
    }

    fn print(&self, shell: &Shell, keys: &KeyFile) {
        let output = &shell.output;
        let environment = self.environment;
        if !self.repaired && self.to_decide() == 0 {
            output.line(format_args!(
                "\nThe template for {environment} can be used."
            ));
            return;
        }
        let what = if self.repaired { "repaired " } else { "" };
        output.line(format_args!("\nThe {what}template for {environment}"));
        if !self.problems.is_empty() {
            output.line(format_args!(
                "{} the template cannot be used in {environment}:",
                output.paint.yellow("to decide:")
            ));
            for problem in &self.problems {
                output.line(format_args!("  {}", printable(&problem.to_string())));
            }
        }
        match &self.plan {
            Some(plan) => plan::print(output, plan),
            None => output.line("What changes for people cannot be told before these are mended."),
        }
        for (provider, variable) in &self.keys {
            output.line(format_args!(
                "  the key of {} is ${{{variable}}} in {}",
                printable(provider),
                keys.path().display()
            ));
        }
        if self.refused() > 0 {
            output.line(format_args!(
                "{} the original used these overrides, and Nexus would not: {}",
                output.paint.yellow("to decide:"),
                self.refused()
            ));
        }
        if self.to_decide() > 0 {
            output.line(format_args!("  What to do: {}", self.advice()));
        }
        if let Some(version) = self.version {
            output.line(format_args!(
                "The template for {environment} is stored as version {version}."
            ));
        }
    }

    const fn advice(&self) -> &'static str {
        if self.repaired {
            "edit the template (`nexus template show > template.yml`, then `nexus template apply \
             template.yml`): say `editable: true` of a prompt that people may write themselves and \
             list it in ui.editable_fields, widen a limit, or leave it as it is"
        } else {
            "add --repair-template: it opens what people changed, but for prompts that are not \
             editable, and moves keys into a file that only you can read"
        }
    }
}
