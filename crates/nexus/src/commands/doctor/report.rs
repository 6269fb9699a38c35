//! What was found: lines for people as soon as they are known, one JSON object at the end for
//! programs.

use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Output, printable};

/// What is looked at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Area {
    Settings,
    Data,
    Template,
    Secrets,
    Providers,
    Tools,
    Clock,
    People,
}

impl Area {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Data => "data",
            Self::Template => "template",
            Self::Secrets => "secrets",
            Self::Providers => "providers",
            Self::Tools => "tools",
            Self::Clock => "clock",
            Self::People => "people",
        }
    }
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    /// It works, and somebody should know this.
    Warning,
    /// It does not work.
    Failure,
}

#[derive(Debug, Serialize)]
struct Finding {
    area: Area,
    level: Level,
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// All that was found so far.
pub(super) struct Report<'a> {
    output: &'a Output,
    area: Area,
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    pub(super) const fn new(output: &'a Output) -> Self {
        Self {
            output,
            area: Area::Settings,
            findings: Vec::new(),
        }
    }

    /// What follows is about this.
    pub(super) fn area(&mut self, area: Area) {
        self.area = area;
        if !self.output.json {
            self.output.line(self.output.paint.bold(area.as_str()));
        }
    }

    pub(super) fn ok(&mut self, message: impl Into<String>) {
        self.add(Level::Ok, message.into(), None);
    }

    pub(super) fn warn(&mut self, message: impl Into<String>, advice: impl Into<String>) {
        self.add(Level::Warning, message.into(), Some(advice.into()));
    }

    pub(super) fn fail(&mut self, message: impl Into<String>, advice: impl Into<String>) {
        self.add(Level::Failure, message.into(), Some(advice.into()));
    }

    /// A failure or a warning, as `level` says.
    pub(super) fn find(
        &mut self,
        level: Level,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(level, message.into(), Some(advice.into()));
    }

    /// Something that was not looked at, and why. It is no finding.
    pub(super) fn skip(&self, why: &str) {
        if !self.output.json {
            self.output.line(self.output.paint.dim(&format!("  {why}")));
        }
    }

    /// What is being waited for.
    pub(super) fn progress(&self, what: &str) {
        self.output.progress(printable(what));
    }

    /// Nothing is waited for any more.
    pub(super) fn progress_is_over(&self) {
        self.output.progress_is_over();
    }

    fn add(&mut self, level: Level, message: String, advice: Option<String>) {
        let clean = |text: String| printable(&text).into_owned();
        let advice = advice.filter(|advice| !advice.is_empty()).map(clean);
        let finding = Finding {
            area: self.area,
            level,
            message: clean(message),
            advice,
        };
        if !self.output.json {
            self.print(&finding);
        }
        self.findings.push(finding);
    }

    fn print(&self, finding: &Finding) {
        let paint = self.output.paint;
        let level = match finding.level {
            Level::Ok => paint.green("ok     "),
            Level::Warning => paint.yellow("warning"),
            Level::Failure => paint.red("failure"),
        };
        let message = finding.message.replace('\n', "\n           ");
        self.output.line(format_args!("  {level}  {message}"));
        if let Some(advice) = &finding.advice {
            self.output
                .line(format_args!("           {} {advice}", paint.cyan("do:")));
        }
    }

    /// # Errors
    /// When something does not work.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let count = |level| self.findings.iter().filter(|it| it.level == level).count();
        let (failures, warnings) = (count(Level::Failure), count(Level::Warning));
        if self.output.json {
            self.output.data(&json!({
                "ok": failures == 0,
                "failures": failures,
                "warnings": warnings,
                "findings": self.findings,
            }));
        }
        let warned = match warnings {
            0 => "no warning".to_owned(),
            1 => "1 warning".to_owned(),
            more => format!("{more} warnings"),
        };
        match failures {
            0 => {
                self.output.note(format_args!("no failure, {warned}"));
                Ok(())
            }
            1 => Err(Failure::new(format!("1 failure, {warned}"))),
            more => Err(Failure::new(format!("{more} failures, {warned}"))),
        }
    }
}
