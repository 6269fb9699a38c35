//! `nexus migrate`: the road in. Prepares a database of the original Python NEXUS, or moves
//! everything from one store to another.

mod copy;
mod prepare;
mod progress;
mod template;

use nexus_store::installation::Tally;

use crate::Shell;
use crate::cli::Migrate;
use crate::failure::Failure;
use crate::output::{Output, printable};

/// How many names a report shows of what is changed.
const EXAMPLES: usize = 3;

/// How many it shows of what a person has to look at one by one: more than fit into a head.
const TO_LOOK_AT: usize = 100;

pub(crate) async fn run(shell: &Shell, arguments: Migrate) -> Result<(), Failure> {
    let go = Go {
        apply: arguments.apply,
        yes: arguments.yes,
        repair: arguments.repair_template,
    };
    match (arguments.from, arguments.to) {
        (Some(from), Some(to)) => copy::run(shell, &from, &to, go).await,
        _ => prepare::run(shell, go).await,
    }
}

/// Whether to do it, and whether to ask.
#[derive(Clone, Copy)]
struct Go {
    apply: bool,
    yes: bool,
    /// Whether templates of the original are repaired.
    repair: bool,
}

/// The first names, in one cell of a table.
fn examples(tally: &Tally) -> String {
    let mut names: Vec<_> = tally.names.iter().take(EXAMPLES).cloned().collect();
    if tally.count > names.len() as u64 {
        names.push("…".to_owned());
    }
    printable(&names.join(", ")).into_owned()
}

/// The first `most` names, a line each.
fn list(output: &Output, tally: &Tally, most: usize) {
    let mut more = tally.count;
    for name in tally.names.iter().take(most) {
        output.line(format_args!("  {}", printable(name)));
        more -= 1;
    }
    if more > 0 {
        output.line(format_args!("  and {more} more; --json names more of them"));
    }
}
