//! What a check has to say about one place, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// Only an error makes a check fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Warning,
    Error,
}

/// Sorted by level, then by place, so that the errors are printed last and stay on the screen.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// From the root of the repository.
    pub(crate) file: PathBuf,
    /// Counted from one.
    pub(crate) line: usize,
    pub(crate) problem: String,
    pub(crate) advice: String,
}

impl Finding {
    /// A mistake, and what to do about it.
    pub(crate) fn error(
        file: impl Into<PathBuf>,
        line: usize,
        problem: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Error,
            file: file.into(),
            line,
            problem: problem.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Warning => "warning",
            Level::Error => "error",
        };
        writeln!(
            f,
            "{}:{}: {level}: {}",
            self.file.display(),
            self.line,
            self.problem
        )?;
        write!(f, "  to do: {}", self.advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_the_place_the_problem_and_the_remedy() {
        let finding = Finding::error("crates/a/src/lib.rs", 7, "too long", "split it");
        assert_eq!(
            finding.to_string(),
            "crates/a/src/lib.rs:7: error: too long\n  to do: split it"
        );
    }
}
