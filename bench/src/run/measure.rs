//! One window of time after another: load on a server, and the CPU time it took.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::say;
use super::subject::Subject;
use crate::latencies::median;
use crate::load::{Plan, Report};
use crate::process::{Core, Cores, Server};

/// How much load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) streams: usize,
    pub(crate) turns: usize,
}

/// All rounds of one subject.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// CPU microseconds per turn, of each round. Empty: there is no server in between.
    pub(crate) cpu: Vec<f64>,
    /// Turns per second, of each round.
    pub(crate) rate: Vec<f64>,
    /// Which part of a core was used, of each round.
    pub(crate) busy: Vec<f64>,
    pub(crate) all: Report,
}

impl Measured {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            cpu: Vec::new(),
            rate: Vec::new(),
            busy: Vec::new(),
            all: Report::default(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn add(&mut self, report: Report, cpu: Option<Duration>) {
        let turns = report.turns as f64;
        self.rate.push(turns / report.seconds);
        if let Some(cpu) = cpu {
            self.cpu.push(cpu.as_secs_f64() * 1e6 / turns);
            self.busy.push(cpu.as_secs_f64() / report.seconds);
        }
        self.all.absorb(report);
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn chunks_per_turn(&self) -> f64 {
        self.all.chunks as f64 / self.all.turns as f64
    }
}

/// Measures all subjects in each round, so that a busy neighbour of this machine disturbs all alike.
pub(crate) fn in_turns(
    cores: Cores,
    subjects: &[Subject<'_>],
    shape: Shape,
    rounds: u16,
) -> anyhow::Result<Vec<Measured>> {
    let mut all: Vec<_> = subjects.iter().map(|it| Measured::new(it.name)).collect();
    for round in 1..=rounds {
        for (subject, measured) in subjects.iter().zip(&mut all) {
            let (report, cpu) = window(cores, subject, shape)?;
            measured.add(report, cpu);
            let rate = measured.rate.last().copied().unwrap_or_default();
            let cpu = measured
                .cpu
                .last()
                .map(|cpu| format!(", {cpu:.0} µs CPU each"));
            say(format_args!(
                "{} at a time, round {round} of {rounds}: {}, {rate:.0} a second{}",
                shape.streams,
                subject.name,
                cpu.unwrap_or_default()
            ));
        }
    }
    Ok(all)
}

/// One round of one subject. The CPU time is read when everything is connected and warm, and again
/// after the last answer.
pub(crate) fn window(
    cores: Cores,
    subject: &Subject<'_>,
    shape: Shape,
) -> anyhow::Result<(Report, Option<Duration>)> {
    let turns = (shape.turns / subject.one_in).max(1);
    let plan = Plan {
        address: subject.address,
        connections: shape.streams,
        warm_up: (turns / 5).max(2 * shape.streams),
        turns,
        requests: subject.requests.clone(),
        expected: subject.expected.clone(),
    };
    let mut command = cores.command(Core::Others, std::env::current_exe()?);
    let mut load = command
        .arg("load")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut orders = load.stdin.take().context("no standard input")?;
    let mut words = BufReader::new(load.stdout.take().context("no standard output")?).lines();
    let mut word = || words.next().transpose();
    let cpu = || subject.server.map(Server::cpu).transpose();

    writeln!(orders, "{}", serde_json::to_string(&plan)?)?;
    let ready = word()?;
    let before = cpu()?;
    // When it has failed it takes no more orders; its status says so.
    _ = writeln!(orders, "go");
    let report = word()?;
    let after = cpu()?;
    let status = load.wait()?;
    ensure!(
        ready.is_some() && status.success(),
        "the load generator failed on {}",
        subject.name
    );
    let report = serde_json::from_str(&report.context("no report")?)?;
    Ok((
        report,
        before
            .zip(after)
            .map(|(before, after)| after.saturating_sub(before)),
    ))
}

/// The median, and the lowest and the highest.
pub(crate) fn spread(values: &[f64]) -> (f64, f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (median(values), low, high)
}
