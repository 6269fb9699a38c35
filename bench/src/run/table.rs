//! The tables, in Markdown.

use super::Options;
use super::measure::{Measured, spread};
use crate::latencies::{Latencies, median};

/// The cost of a turn while there is time to spare: each piece arrives by itself.
pub(crate) fn turns(options: &Options, all: &[Measured]) -> String {
    let pace = match options.provider.pace {
        0 => "The whole answer at once".to_owned(),
        pace => format!("One piece every {pace} ms"),
    };
    let title = format!(
        "{pace}, {} streams at a time, {} turns each in {} rounds",
        options.streams, options.turns, options.rounds
    );
    each(&title, all)
}

/// What each of them costs, and how long it takes.
pub(crate) fn each(title: &str, all: &[Measured]) -> String {
    let (base, compared) = base(all);
    let rows = all.iter().map(|it| {
        let ratio = median(&it.cpu) / base;
        [
            it.name.to_owned(),
            with_spread(&it.cpu),
            number(ratio, |ratio| format!("{ratio:.2}")),
            percentiles(&it.all.first, 1e3, 2),
            percentiles(&it.all.whole, 1e3, 1),
            format!("{:.1}", it.chunks_per_turn()),
        ]
    });
    let heading = [
        "",
        "CPU µs per turn (rounds)",
        &compared,
        "first piece ms, p50 / p99",
        "whole turn ms, p50 / p99",
        "chunks sent",
    ];
    format!("{title}:\n\n{}", lines(heading, rows))
}

/// How much fits on one core.
pub(crate) fn full(streams: usize, all: &[Measured]) -> String {
    let (base, compared) = base(all);
    let rows = all.iter().map(|it| {
        [
            it.name.to_owned(),
            with_spread(&it.rate),
            number(median(&it.busy), |busy| format!("{:.0} %", busy * 100.0)),
            with_spread(&it.cpu),
            number(median(&it.cpu) / base, |ratio| format!("{ratio:.2}")),
            percentiles(&it.all.first, 1e3, 1),
            percentiles(&it.all.whole, 1e3, 1),
            format!("{:.1}", it.chunks_per_turn()),
        ]
    });
    let heading = [
        "",
        "turns per second (rounds)",
        "core busy",
        "CPU µs per turn (rounds)",
        &compared,
        "first piece ms, p50 / p99",
        "whole turn ms, p50 / p99",
        "chunks sent",
    ];
    format!(
        "As much as comes, {streams} streams at a time:\n\n{}",
        lines(heading, rows)
    )
}

/// Requests that no model is asked for.
pub(crate) fn short(streams: usize, all: &[Measured]) -> String {
    let rows = all.iter().map(|it| {
        [
            it.name.to_owned(),
            with_spread(&it.cpu),
            with_spread(&it.rate),
            number(median(&it.busy), |busy| format!("{:.0} %", busy * 100.0)),
            percentiles(&it.all.whole, 1.0, 0),
        ]
    });
    let heading = [
        "",
        "CPU µs per request (rounds)",
        "requests per second (rounds)",
        "core busy",
        "µs, p50 / p99",
    ];
    format!(
        "Without a model, {streams} connections:\n\n{}",
        lines(heading, rows)
    )
}

pub(crate) fn memory(peaks: &[(&str, f64)]) -> String {
    let rows = peaks
        .iter()
        .map(|(name, peak)| [(*name).to_owned(), format!("{peak:.1}")]);
    format!(
        "Memory, after all of this:\n\n{}",
        lines(["", "peak MiB"], rows)
    )
}

/// What the others are compared with: the first that is a server in between, which is nginx, or else
/// the proxy of our own.
fn base(all: &[Measured]) -> (f64, String) {
    let Some(first) = all.iter().find(|it| !it.cpu.is_empty()) else {
        return (f64::NAN, "×".to_owned());
    };
    let name = first.name.split(',').next().unwrap_or(first.name);
    (median(&first.cpu), format!("× {name}"))
}

fn with_spread(values: &[f64]) -> String {
    let (median, low, high) = spread(values);
    number(median, |median| format!("{median:.0} ({low:.0}–{high:.0})"))
}

fn number(value: f64, show: impl Fn(f64) -> String) -> String {
    if value.is_nan() {
        "–".to_owned()
    } else {
        show(value)
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds, far below 2^52")]
fn percentiles(latencies: &Latencies, unit: f64, digits: usize) -> String {
    let show = |percent| format!("{:.digits$}", latencies.percentile(percent) as f64 / unit);
    format!("{} / {}", show(50), show(99))
}

fn lines<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", heading.join(" | "), "---|".repeat(N));
    for row in rows {
        text.extend(["| ", &row.join(" | "), " |\n"]);
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_cell_for_each_heading() {
        let rows = [["a".to_owned(), "1".to_owned()]];
        assert_eq!(
            lines(["", "x"], rows.into_iter()),
            "|  | x |\n|---|---|\n| a | 1 |"
        );
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        assert_eq!(with_spread(&[]), "–");
        assert_eq!(with_spread(&[3.0, 1.0, 2.0]), "2 (1–3)");
    }
}
