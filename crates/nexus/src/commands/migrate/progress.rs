//! How far it is: a bar in a terminal, a line now and then anywhere else. Always on standard error.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nexus_store::installation::{Progress, Step};

use crate::output::Output;

/// How long nothing is said where there is no terminal.
const NOW_AND_THEN: Duration = Duration::from_secs(5);

/// Shows progress until it is dropped.
pub(super) struct Meter<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    /// What the bar shows.
    doing: String,
    told: Instant,
}

impl<'a> Meter<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{msg}  {wide_bar} {human_pos} of {human_len}  {eta} left",
            );
            let bar = ProgressBar::new(0);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            output,
            bar,
            doing: String::new(),
            told: Instant::now(),
        }
    }

    pub(super) fn show(&mut self, progress: Progress<'_>) {
        let verb = match progress.step {
            Step::Looking => "looking at",
            Step::Writing => "writing",
            Step::CheckingSource => "checking the source:",
            Step::CheckingTarget => "checking the target:",
        };
        let doing = format!("{verb} {}", progress.what);
        let total = progress.total.max(progress.done);
        if let Some(bar) = &self.bar {
            if doing != self.doing {
                bar.set_position(0);
                bar.reset_eta();
                bar.set_message(doing.clone());
            }
            bar.set_length(total);
            bar.set_position(progress.done);
        } else if self.told.elapsed() >= NOW_AND_THEN {
            self.told = Instant::now();
            self.output
                .note(format_args!("{doing}: {} of {total}", progress.done));
        }
        self.doing = doing;
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
