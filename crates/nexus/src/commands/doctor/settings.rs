//! The settings file, the `.env` file, and what follows from them.

use crate::settings::dot_env::DotEnv;
use crate::{Shell, private};

use super::report::{Area, Report};

pub(super) fn look(shell: &Shell, report: &mut Report<'_>) {
    let settings = &shell.settings;
    let environment = settings.environment;
    report.area(Area::Settings);
    match &settings.file {
        Some(file) => report.ok(format!(
            "{} was read; this is {environment}",
            file.display()
        )),
        None => report.ok(format!(
            "there is no settings file, so flags and variables decide; this is {environment}"
        )),
    }
    if let Some(file) = &settings.dot_env {
        dot_env(file, report);
    }
    for warning in &settings.warnings {
        report.warn(warning, "docs/settings.md says what may be written there");
    }
    let listen = settings.listen(None);
    if settings.is_private(&listen) {
        report.ok(format!(
            "a server listens at {listen}, which only this machine can reach"
        ));
    } else if settings.has_public_origin() {
        report.ok(format!(
            "a server listens at {listen}, and knows its public address"
        ));
    } else {
        report.warn(
            format!(
                "a server listens at {listen} and does not know its public address, so nobody can \
                 sign in with a key"
            ),
            "write where people reach it into nexus.yml, such as \
             `public_origin: https://nexus.example.org`",
        );
    }
}

/// Names of variables only: their values may be keys and passwords.
fn dot_env(file: &DotEnv, report: &mut Report<'_>) {
    let path = file.path.display();
    report.ok(match file.in_force.join(", ") {
        names if names.is_empty() => format!("{path} was read, and sets nothing"),
        names => format!("{path} was read, and sets {names}"),
    });
    if !file.shadowed.is_empty() {
        report.ok(format!(
            "of {path} are not used, as the environment sets them too: {}",
            file.shadowed.join(", ")
        ));
    }
    if private::is_open_to_others(&file.path).unwrap_or(false) {
        report.warn(
            format!("other users of this machine can read {path}"),
            format!("`chmod 600 {path}`"),
        );
    }
}
