//! The one place that prints. A reader that went away is no reason to fail; data that cannot be
//! written for another reason is, and `main` asks for it at the end.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use serde::Serialize;

use crate::failure::Failure;
use crate::settings;

/// Standard output for data, standard error for everything else.
#[derive(Debug)]
pub(crate) struct Output {
    /// Whether data is wanted as JSON.
    pub(crate) json: bool,
    /// The colours of standard output.
    pub(crate) paint: Paint,
    /// The colours of standard error.
    pub(crate) aside: Paint,
    out: io::Stdout,
    err: io::Stderr,
    /// Why data could not be written.
    broken: OnceLock<String>,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

impl Output {
    pub(crate) fn new(json: bool, no_color: bool) -> Self {
        let wanted = !no_color && !settings::colours_are_unwanted();
        Self {
            json,
            paint: Paint(wanted && io::stdout().is_terminal()),
            aside: Paint(wanted && io::stderr().is_terminal()),
            out: io::stdout(),
            err: io::stderr(),
            broken: OnceLock::new(),
        }
    }

    /// A line of data.
    pub(crate) fn line(&self, text: impl Display) {
        let mut out = self.out.lock();
        self.note_failure(writeln!(out, "{text}").and_then(|()| out.flush()));
    }

    /// Data exactly as it is.
    pub(crate) fn exact(&self, text: &str) {
        let mut out = self.out.lock();
        self.note_failure(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }

    fn note_failure(&self, written: io::Result<()>) {
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.broken.get_or_init(|| error.to_string());
            }
            _ => {}
        }
    }

    /// Tells that some data was not written.
    ///
    /// # Errors
    /// When it was not.
    pub(crate) fn is_whole(&self) -> Result<(), Failure> {
        match self.broken.get() {
            None => Ok(()),
            Some(reason) => Err(Failure::new(format!(
                "standard output cannot be written ({reason}): what was printed is not all"
            ))),
        }
    }

    /// Data as JSON.
    pub(crate) fn data(&self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(text),
            Err(error) => self.warn(format_args!("this cannot be written as JSON: {error}")),
        }
    }

    /// A remark.
    pub(crate) fn note(&self, text: impl Display) {
        _ = writeln!(self.err.lock(), "{text}");
    }

    /// A remark to heed.
    pub(crate) fn warn(&self, text: impl Display) {
        self.note(format_args!("{} {text}", self.aside.yellow("warning:")));
    }

    /// How far something is, on one line that is written over; only where a person watches.
    pub(crate) fn progress(&self, text: impl Display) {
        if io::stderr().is_terminal() {
            let mut err = self.err.lock();
            _ = write!(err, "\r{text}\u{1b}[K").and_then(|()| err.flush());
        }
    }

    /// Takes that line away.
    pub(crate) fn progress_is_over(&self) {
        if io::stderr().is_terminal() {
            _ = write!(self.err.lock(), "\r\u{1b}[K");
        }
    }

    /// Why it did not work.
    pub(crate) fn fail(&self, failure: &Failure) {
        self.note(format_args!(
            "{} {}",
            self.aside.red("error:"),
            failure.message()
        ));
        if let Some(hint) = failure.advice() {
            self.note(format_args!("{} {hint}", self.aside.cyan("hint:")));
        }
    }
}

/// The text without control characters, which could steer a terminal. Models and providers write
/// what they like.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(harmless) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|c| harmless(*c)).collect())
    }
}

/// Rows in columns, each as wide as its longest cell; the last column is not padded.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..rows.iter().map(Vec::len).max().unwrap_or(0))
        .map(width)
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_not_printed() {
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}1mc\rd\n"), "a[2Jb1mcd\n");
        assert!(matches!(printable("plain\ttext\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn columns_line_up() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(
            columns(&[row("a", "1"), row("é界b", ""), row("cc", "2")]),
            ["a    1", "é界b", "cc   2"]
        );
    }
}
