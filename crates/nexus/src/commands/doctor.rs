//! `nexus doctor`: looks at an installation from end to end, and says of each thing that is wrong
//! what to do about it. It changes nothing, and a server may run meanwhile.

mod ask;
mod clock;
mod data;
mod people;
mod providers;
mod report;
mod secrets;
mod settings;
mod template;
mod tools;

use crate::Shell;
use crate::cli::Doctor;
use crate::failure::Failure;
use crate::output::Output;
use crate::wire;

use report::{Area, Report};

pub(crate) async fn run(shell: &Shell, arguments: Doctor) -> Result<(), Failure> {
    let mut report = Report::new(&shell.output);
    settings::look(shell, &mut report);
    let Some(data) = data::look(shell, &mut report).await else {
        report.area(Area::Template);
        report.skip("not looked at: it is in the data");
        clock::look(None, &[], &mut report);
        return report.finish();
    };
    let template = template::look(shell, &*data.store, &mut report).await;
    let mut clocks = data.clock.into_iter().collect::<Vec<_>>();
    if let Some(template) = &template {
        secrets::look(template, &mut report);
        let client = wire::client(&shell.settings)?;
        let seen = providers::look(&client, &template.genesis, arguments, &mut report).await;
        clocks.extend(seen);
        tools::look(shell, &template.genesis, &mut report).await?;
    }
    let stored_at = template.map(|template| template.stored_at);
    clock::look(stored_at, &clocks, &mut report);
    people::look(shell, &*data.store, &mut report).await;
    data.store.close().await;
    report.finish()
}

/// The settings cannot be used, so nothing else can be looked at.
pub(crate) fn cannot_begin(output: &Output, failure: &Failure) -> Failure {
    let mut report = Report::new(output);
    report.area(Area::Settings);
    report.fail(failure.message(), failure.advice().unwrap_or_default());
    match report.finish() {
        Ok(()) => Failure::new(failure.message()),
        Err(counted) => counted,
    }
}
