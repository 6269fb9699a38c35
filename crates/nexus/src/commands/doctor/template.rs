//! The template in force, and its mistakes.

use nexus_core::egress::Secrets;
use nexus_core::genesis::{Checked, GenesisDoc, Problems};
use nexus_core::{Environment, Genesis, Timestamp};
use nexus_store::{Store, StoredTemplate};

use crate::Shell;

use super::report::{Area, Report};

/// A template that can be used.
pub(super) struct Template {
    pub(super) doc: GenesisDoc,
    pub(super) genesis: Genesis,
    pub(super) secrets: Secrets,
    pub(super) stored_at: Timestamp,
}

pub(super) async fn look(
    shell: &Shell,
    store: &dyn Store,
    report: &mut Report<'_>,
) -> Option<Template> {
    let environment = shell.settings.environment;
    report.area(Area::Template);
    let stored = match store.template(environment).await {
        Ok(Some(stored)) => stored,
        Ok(None) => {
            report.fail(
                format!("there is no template for {environment}"),
                format!("store one with `nexus init --environment {environment}`"),
            );
            return None;
        }
        Err(error) => {
            report.fail(
                format!("the template could not be read: {error}"),
                "`nexus template history` tells which versions there are",
            );
            return None;
        }
    };
    let secrets = shell.settings.secrets();
    match Genesis::check(&stored.doc, &secrets) {
        Ok(checked) => Some(usable(stored, checked, secrets, report)),
        Err(problems) => {
            unusable(&stored, problems, environment, report);
            None
        }
    }
}

fn usable(
    stored: StoredTemplate,
    checked: Checked,
    secrets: Secrets,
    report: &mut Report<'_>,
) -> Template {
    let genesis = &checked.genesis;
    report.ok(format!(
        "version {}, stored by {} at {}: models: {}, providers: {}, default model {}",
        stored.version,
        stored.author,
        stored.created_at.format("%Y-%m-%d %H:%M UTC"),
        genesis.catalog().len(),
        genesis.providers().len(),
        genesis.default_model().name
    ));
    for warning in &checked.warnings {
        report.warn(
            warning.to_string(),
            "correct it in a file, and store that with `nexus template apply FILE`",
        );
    }
    if stored.hash != stored.doc.hash() {
        report.warn(
            "it was edited in the database after it was stored",
            "a running server makes it a version of its own; `nexus template show` prints it",
        );
    }
    Template {
        stored_at: stored.created_at,
        doc: stored.doc,
        genesis: checked.genesis,
        secrets,
    }
}

fn unusable(
    stored: &StoredTemplate,
    Problems(problems): Problems,
    environment: Environment,
    report: &mut Report<'_>,
) {
    let meanwhile = match environment {
        Environment::Development => "a server that starts now has the emergency template",
        Environment::Production => "a server that starts now is not ready",
    };
    let version = stored.version;
    report.fail(
        format!("version {version} cannot be used: {meanwhile}"),
        "correct it as said below with `nexus template apply FILE`, or go back to an older \
         version: `nexus template history`, then `nexus template rollback VERSION`",
    );
    for problem in problems {
        report.fail(problem.to_string(), "");
    }
}
