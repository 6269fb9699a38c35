//! The settings file, and what follows from it.

use crate::Shell;

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
