//! `nexus usage`: how much people used, of which model, and what it cost.

use std::collections::BTreeMap;

use chrono::Days;
use nexus_api::usage::UsageReport;
use nexus_core::{Clock as _, Usage, UsageCount};

use crate::Shell;
use crate::cli;
use crate::commands::identity::{everybody, quarantine};
use crate::failure::Failure;
use crate::output::{columns, printable};
use crate::wire::{self, Clock};

pub(crate) async fn run(shell: &Shell, arguments: cli::Usage) -> Result<(), Failure> {
    let output = &shell.output;
    let store = wire::open_existing(&shell.settings).await?;
    let to = Clock::default().now().date_naive();
    let before = u64::from(arguments.days).saturating_sub(1);
    let from = to.checked_sub_days(Days::new(before)).unwrap_or(to);
    let people = match arguments.key {
        Some(key) => vec![key],
        None => {
            let (people, unreadable) = everybody(&*store).await?;
            quarantine::name(output, &unreadable);
            people.iter().map(|identity| identity.public_key).collect()
        }
    };
    let mut used = Vec::new();
    for key in people {
        used.append(&mut store.usage(key, from, to).await?);
    }
    let counts = used.iter().map(|usage| usage.count);
    let total = counts.fold(UsageCount::default(), UsageCount::saturating_add);
    if output.json {
        output.data(&UsageReport {
            from,
            to,
            usage: used.into_iter().map(Into::into).collect(),
            total,
        });
        return Ok(());
    }
    let (heading, sums) = match arguments.key {
        Some(_) => ("DAY", sums(&used, |usage| usage.key.day.to_string())),
        None => ("ADDRESS", sums(&used, |usage| usage.key.owner.to_string())),
    };
    let headings = [
        heading, "MODEL", "RUNS", "INPUT", "CACHED", "OUTPUT", "COST",
    ];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    let lines = sums.iter();
    rows.extend(lines.map(|((first, model), count)| row(first, &printable(model), count)));
    rows.push(row("total", "", &total));
    let last = rows.len() - 1;
    for (place, line) in columns(&rows).iter().enumerate() {
        output.line(if place == 0 || place == last {
            output.paint.bold(line)
        } else {
            line.clone()
        });
    }
    output.note(format_args!(
        "{from} to {to}, days in UTC. The cost is in the currency of the prices in llm.catalog; a \
         model without a price counts as free."
    ));
    Ok(())
}

/// One sum for each model and whatever `first` says.
fn sums(
    used: &[Usage],
    first: impl Fn(&Usage) -> String,
) -> BTreeMap<(String, String), UsageCount> {
    let mut sums: BTreeMap<_, UsageCount> = BTreeMap::new();
    for usage in used {
        let sum = sums
            .entry((first(usage), usage.key.model.clone()))
            .or_default();
        *sum = sum.saturating_add(usage.count);
    }
    sums
}

fn row(first: &str, model: &str, count: &UsageCount) -> Vec<String> {
    vec![
        first.to_owned(),
        model.to_owned(),
        runs(count),
        count.input_tokens.to_string(),
        count.cached_input_tokens.to_string(),
        count.output_tokens.to_string(),
        format!(
            "{}.{:06}",
            count.cost_micros / 1_000_000,
            count.cost_micros % 1_000_000
        ),
    ]
}

/// How many runs, and how many of them are not counted exactly.
fn runs(count: &UsageCount) -> String {
    match count.estimated_runs {
        0 => count.runs.to_string(),
        estimated => format!("{} ({estimated} estimated)", count.runs),
    }
}
