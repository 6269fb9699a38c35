//! The log: to standard error, for people or for programs.

mod stderr;

use std::fmt::{self, Debug, Write as _};
use std::io::{self, IsTerminal};

use nexus_core::genesis::LogLevel;
use nexus_run::LiveTemplate;
use tokio_util::sync::CancellationToken;
use tracing::Dispatch;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::Shell;
use crate::cli::LogFormat;
use crate::failure::Failure;
use crate::settings;

use stderr::Stderr;

/// The log of a server.
pub(crate) struct Log {
    /// `None`: the settings say what is logged, whatever the template says.
    set_filter: Option<Box<dyn Fn(EnvFilter) + Send + Sync>>,
}

/// Starts the log. `level` holds when the settings say nothing.
pub(crate) fn start(shell: &Shell, level: LogLevel) -> Result<Log, Failure> {
    let settings = &shell.settings;
    let filter = match &settings.log {
        Some(filter) => parse(filter).map_err(|error| refuse(filter, &error))?,
        None => of_level(word(level)),
    };
    let shown = filter.to_string();
    let colours = io::stderr().is_terminal() && !settings::colours_are_unwanted();
    let format = settings.log_format;
    let (dispatch, set_filter) = dispatch(filter, format, colours, Stderr { format });
    let started = dispatch.try_init();
    started.map_err(|error| Failure::new(format!("the log cannot be started: {error}")))?;
    tracing::debug!(filter = shown, "the log begins");
    Ok(Log {
        set_filter: settings.log.is_none().then_some(set_filter),
    })
}

impl Log {
    /// Logs at the level of the template in force, until `stop`.
    pub(crate) async fn follow(self, live: &LiveTemplate, stop: CancellationToken) {
        let Some(set_filter) = self.set_filter else {
            return;
        };
        let mut in_force = live.in_force();
        let mut level = None;
        loop {
            if let Ok(genesis) = live.current()
                && level.replace(genesis.system().log_level) != Some(genesis.system().log_level)
            {
                set_filter(of_level(word(genesis.system().log_level)));
            }
            tokio::select! {
                () = stop.cancelled() => return,
                outcome = in_force.changed() => if outcome.is_err() { return },
            }
        }
    }
}

const fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warn",
        LogLevel::Error => "error",
    }
}

/// A level alone is that of Nexus. What libraries say interests when it is wrong.
fn of_level(level: &str) -> EnvFilter {
    EnvFilter::new(format!("warn,nexus={level}"))
}

/// A level, or a filter as `tracing` writes it.
fn parse(filter: &str) -> Result<EnvFilter, ParseError> {
    match filter.parse::<LevelFilter>() {
        Ok(level) if level >= LevelFilter::WARN => Ok(of_level(filter)),
        _ => EnvFilter::try_new(filter),
    }
}

/// Tells whoever started the server something that belongs to no request. Where programs read the
/// log, there is nothing between its lines.
pub(crate) fn say(shell: &Shell, text: &str) {
    match shell.settings.log_format {
        LogFormat::Text => stderr::write_line(format!("{text}\n").as_bytes(), LogFormat::Text),
        LogFormat::Json => tracing::info!("{text}"),
    }
}

/// What turns events into lines. What others wrote is escaped: it can neither steer a terminal nor
/// begin a line of its own.
fn dispatch(
    filter: EnvFilter,
    format: LogFormat,
    colours: bool,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> (Dispatch, Box<dyn Fn(EnvFilter) + Send + Sync>) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // It would be told by a macro that panics where standard error cannot be written.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => {
            let fields = debug_fn(write_field).delimited(" ");
            let builder = builder.with_ansi(colours).fmt_fields(fields);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            (
                builder.into(),
                Box::new(move |filter| _ = handle.reload(filter)),
            )
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            (
                builder.into(),
                Box::new(move |filter| _ = handle.reload(filter)),
            )
        }
    }
}

/// One field of a line of text. The usual way escapes only the message.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let mut writer = Escaping(writer);
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        // What the `log` crate adds is in the line already.
        name if name.starts_with("log.") => Ok(()),
        name => write!(writer, "{}={value:?}", name.trim_start_matches("r#")),
    }
}

/// Writes `\u{1b}` for the character that it names, and so on.
struct Escaping<W>(W);

impl<W: fmt::Write> fmt::Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let mut plain = part.chars();
            match plain.next_back().filter(|last| last.is_control()) {
                Some(last) => write!(self.0, "{}{}", plain.as_str(), last.escape_default())?,
                None => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}

fn refuse(filter: &str, error: &ParseError) -> Failure {
    Failure::new(format!("{filter:?} is not a filter for the log: {error}"))
        .hint("such as --log debug, or --log warn,nexus_run=debug")
}

#[cfg(test)]
mod tests {
    use nexus_test_support::log::Log;
    use serde_json::Value;

    use super::*;

    /// What is written when somebody called themselves this.
    fn written(format: LogFormat, said: &str) -> String {
        let log = Log::default();
        let writer = log.clone();
        let filter = EnvFilter::new("warn");
        let (dispatch, _) = dispatch(filter, format, false, move || writer.clone());
        tracing::dispatcher::with_default(&dispatch, || {
            let error = io::Error::other(said.to_owned());
            tracing::warn!(%error, name = said, told = ?said, "a provider said: {said}");
        });
        log.text()
    }

    const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{8}\u{7f}b\r\n2026 ERROR forged";

    #[test]
    fn t36_what_others_say_does_not_steer_a_terminal() {
        let line = written(LogFormat::Text, HOSTILE);
        let controls: Vec<_> = line.chars().filter(|c| c.is_control()).collect();
        assert_eq!(controls, ['\n'], "{line:?}");
        assert_eq!(line.matches("\\u{1b}]0;owned\\u{7}").count(), 4, "{line}");
        assert!(line.contains(r"error=a\u{1b}[2J"), "{line}");
    }

    #[test]
    fn a_line_reads_well_where_nothing_is_hostile() {
        let line = written(LogFormat::Text, "Zoë's model");
        let (_, line) = line.split_once("WARN ").unwrap();
        assert_eq!(
            line,
            "nexus::logs::tests: a provider said: Zoë's model error=Zoë's model \
             name=\"Zoë's model\" told=\"Zoë's model\"\n"
        );
    }

    #[test]
    fn t36_a_line_of_json_keeps_every_character() {
        let line = written(LogFormat::Json, HOSTILE);
        // Those that JSON lets through mean nothing to most terminals, and a program wants them.
        let is_bad = |c: &char| c.is_ascii_control() && *c != '\u{7f}';
        let controls: Vec<_> = line.chars().filter(is_bad).collect();
        assert_eq!(controls, ['\n'], "{line:?}");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["name"], HOSTILE);
    }
}
