//! Moves a whole installation from one store to another. The source is only read.

use std::time::Instant;

use nexus_store::installation::{
    Checked, Installation, Progress, Sum, Survey, Transfer, TransferError,
};
use serde_json::json;

use super::progress::Meter;
use super::{Go, TO_LOOK_AT, list};
use crate::Shell;
use crate::cli::Place;
use crate::commands::identity::confirm;
use crate::failure::Failure;
use crate::output::{Output, columns};
use crate::wire;

pub(super) async fn run(shell: &Shell, from: &Place, to: &Place, go: Go) -> Result<(), Failure> {
    let output = &shell.output;
    let source = wire::installation(&shell.settings, from).await?;
    let plan = survey(shell, &*source, to).await?;
    if !output.json {
        plan.print(output);
    }
    if let Some(obstacle) = plan.obstacle(from) {
        plan.print_json(output, None);
        return Err(obstacle);
    }
    let missing = plan.missing();
    if !go.apply {
        plan.print_json(output, None);
        output.note(match missing {
            0 => "nothing to do: the target holds all of it",
            _ => {
                "nothing was copied: this was a dry run. Stop every Nexus that uses one of the \
                 two, and add --apply"
            }
        });
        return Ok(());
    }
    if missing > 0 && !go.yes && !confirm(shell, &format!("Copy {missing} records?"))? {
        output.note("nothing was copied");
        return Ok(());
    }
    let begun = Instant::now();
    let checked = copy(shell, &*source, to).await?;
    plan.print_json(output, Some(&checked));
    if !output.json {
        print_checked(output, &checked);
    }
    let differing = checked.iter().filter(|it| it.source != it.target);
    let differing: Vec<_> = differing.map(|it| it.kind.as_str()).collect();
    if !differing.is_empty() {
        let message = format!("the two sides differ in their {}", differing.join(" and "));
        return Err(Failure::new(message).hint(
            "somebody wrote to one of them meanwhile: stop every Nexus that uses one of the two, \
             and run this again; the source is untouched",
        ));
    }
    output.note(format_args!(
        "copied {missing} records and read both sides back in {} s; the source is untouched",
        begun.elapsed().as_secs()
    ));
    Ok(())
}

/// What would be copied.
struct Plan {
    from: String,
    to: String,
    surveys: Vec<Survey>,
}

async fn survey(shell: &Shell, source: &dyn Installation, to: &Place) -> Result<Plan, Failure> {
    let target = wire::installation(&shell.settings, to).await?;
    let (from, to) = (source.location(), target.location());
    if from == to {
        return Err(Failure::new(format!("{from} is both source and target"))
            .hint("to copy the embedded store, copy its file while nothing runs"));
    }
    let mut meter = Meter::new(&shell.output);
    let transfer = Transfer {
        source,
        target: &*target,
        at: wire::now(),
    };
    let surveys = transfer.survey(&mut |progress| meter.show(progress)).await;
    Ok(Plan {
        from,
        to,
        surveys: surveys.map_err(|error| explain(&error, Step::Survey))?,
    })
}

/// A target that is missing is made here, and not before.
async fn copy(
    shell: &Shell,
    source: &dyn Installation,
    to: &Place,
) -> Result<Vec<Checked>, Failure> {
    let target = wire::new_installation(&shell.settings, to).await?;
    let transfer = Transfer {
        source,
        target: &*target,
        at: wire::now(),
    };
    let mut meter = Meter::new(&shell.output);
    let mut show = |progress: Progress<'_>| meter.show(progress);
    let done = match transfer.copy(&mut show).await {
        Ok(()) => transfer.check(&mut show).await,
        Err(error) => Err(error),
    };
    done.map_err(|error| explain(&error, Step::Copy))
}

impl Plan {
    fn missing(&self) -> u64 {
        self.surveys.iter().map(|it| it.source - it.target).sum()
    }

    fn obstacle(&self, from: &Place) -> Option<Failure> {
        let unreadable: u64 = self.surveys.iter().map(|it| it.unreadable.count).sum();
        let readable: u64 = self.surveys.iter().map(|it| it.source).sum();
        if unreadable > 0 {
            let message = format!(
                "{unreadable} records of the source cannot be read, and a move leaves nothing \
                 out: nothing was copied"
            );
            let hint = match from {
                Place::Embedded => {
                    "correct or delete what is listed above (`nexus identity quarantine` does it \
                     where it can), and run this again"
                }
                Place::Database | Place::Address(_) => {
                    "`nexus migrate` without --from, on the database of the source, repairs what \
                     the original wrote and says what to do about the rest; then run this again"
                }
            };
            return Some(Failure::new(message).hint(hint));
        }
        (readable == 0).then(|| {
            Failure::new(format!("there is nothing in {}", self.from))
                .hint("name the right folder with --data, or the right database in the address")
        })
    }

    fn print_json(&self, output: &Output, checked: Option<&[Checked]>) {
        if output.json {
            output.data(&json!({
                "from": self.from,
                "to": self.to,
                "applied": checked.is_some(),
                "kinds": self.surveys,
                "checked": checked,
            }));
        }
    }

    fn print(&self, output: &Output) {
        output.line(format_args!("from  {}", self.from));
        output.line(format_args!("to    {}", self.to));
        output.line("");
        let heading = ["KIND", "IN THE SOURCE", "ALREADY THERE", "TO COPY"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(self.surveys.iter().map(|it| {
            let (source, target) = (it.source, it.target);
            vec![
                it.kind.as_str().to_owned(),
                source.to_string(),
                target.to_string(),
                (source - target).to_string(),
            ]
        }));
        for line in columns(&rows) {
            output.line(line);
        }
        for survey in &self.surveys {
            for (field, count) in &survey.unknown {
                output.warn(format_args!(
                    "{field} is there {count} times, and Nexus does not know this field: it is \
                     not copied, and stays in the source"
                ));
            }
            if survey.unreadable.count > 0 {
                let kind = survey.kind.as_str();
                output.line("");
                output.line(format_args!("{kind} that cannot be read:"));
                list(output, &survey.unreadable, TO_LOOK_AT);
            }
        }
    }
}

fn print_checked(output: &Output, checked: &[Checked]) {
    let heading = ["READ BACK", "COUNT", "SHA-256"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for it in checked {
        let mut row = |name: String, sum: &Sum| {
            rows.push(vec![name, sum.count.to_string(), sum.sha256.clone()]);
        };
        let kind = it.kind.as_str();
        if it.source == it.target {
            row(format!("{kind}, both sides"), &it.source);
        } else {
            row(format!("{kind}, source"), &it.source);
            row(format!("{kind}, target"), &it.target);
        }
    }
    output.line("");
    for line in columns(&rows) {
        output.line(line);
    }
}

/// How far a move came.
#[derive(Clone, Copy)]
enum Step {
    /// Both sides are looked at, and nothing is written.
    Survey,
    Copy,
}

fn explain(error: &TransferError, step: Step) -> Failure {
    let failure = Failure::new(error.to_string());
    match (error, step) {
        (TransferError::NotEmpty { .. }, _) => failure.hint(
            "name an empty database or folder. If it is a copy that you began, the source has \
             changed since: empty the target, stop what writes to the source, and begin again",
        ),
        (TransferError::Source(_) | TransferError::Target(_), Step::Survey) => failure.hint(
            "nothing was copied. Look whether this database runs and whether its address is right, \
             and run this again",
        ),
        (TransferError::Source(_) | TransferError::Target(_), Step::Copy) => {
            failure.hint("what was copied so far is kept: the same command goes on with it")
        }
    }
}
