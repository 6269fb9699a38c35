//! Where the program's own settings come from. A flag is stronger than its environment variable,
//! which is stronger than the settings file. Nothing else reads the environment of the process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nexus_core::Environment;
use nexus_run::live::Variables;
use secrecy::SecretString;
use serde::Deserialize;

use crate::cli::{Global, LogFormat};
use crate::failure::Failure;

/// The settings file that is read when it is there.
const DEFAULT_FILE: &str = "nexus.yml";
const DEFAULT_LISTEN: &str = "127.0.0.1:8000";

/// What holds for this run of the program.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The data folder, absolute.
    pub(crate) data: PathBuf,
    /// The address of a MongoDB database. It may hold a password. `None`: the embedded store.
    pub(crate) database: Option<SecretString>,
    pub(crate) environment: Environment,
    /// A filter for the log. `None`: the template says.
    pub(crate) log: Option<String>,
    pub(crate) log_format: LogFormat,
    /// The programs that `tools.mcp` of a template may name: program and arguments. Only the
    /// settings file has them: whoever may change a template must not be able to start programs.
    pub(crate) mcp_commands: BTreeMap<String, Vec<String>>,
    listen: Option<String>,
}

/// The settings file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    database: Option<SecretString>,
    environment: Option<Environment>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    listen: Option<String>,
    #[serde(default)]
    mcp_commands: BTreeMap<String, Vec<String>>,
}

impl Settings {
    pub(crate) fn read(flags: Global) -> Result<Self, Failure> {
        let file = match &flags.settings {
            Some(path) => File::read(path)?,
            None if Path::new(DEFAULT_FILE).is_file() => File::read(Path::new(DEFAULT_FILE))?,
            None => File::default(),
        };
        let data = flags
            .data
            .or(file.data)
            .unwrap_or_else(|| PathBuf::from("data"));
        let absolute = std::path::absolute(&data).map_err(|error| {
            let message = format!("{} is not a folder: {error}", data.display());
            Failure::new(message).hint("name one with --data DIR")
        })?;
        Ok(Self {
            data: absolute,
            database: flags.database.or(file.database),
            environment: flags
                .environment
                .or(file.environment)
                .unwrap_or(Environment::Development),
            log: flags.log.or(file.log).or_else(|| variable("RUST_LOG")),
            log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
            mcp_commands: file.mcp_commands,
            listen: file.listen,
        })
    }

    /// Where the data is, for people.
    pub(crate) fn place(&self) -> String {
        match &self.database {
            Some(_) => "the database".to_owned(),
            None => self.data.display().to_string(),
        }
    }

    /// Where to listen; `flag` is the strongest.
    pub(crate) fn listen(&self, flag: Option<String>) -> String {
        flag.or_else(|| self.listen.clone())
            .unwrap_or_else(|| DEFAULT_LISTEN.to_owned())
    }
}

impl File {
    /// A relative data folder is relative to the file.
    fn read(path: &Path) -> Result<Self, Failure> {
        let refuse = |reason: String| {
            Failure::new(format!(
                "the settings file {} cannot be used: {reason}",
                path.display()
            ))
            .hint(
                "it may say data, database, environment, log, log_format, listen and mcp_commands",
            )
        };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let file: Option<Self> =
            serde_saphyr::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        let mut file = file.unwrap_or_default();
        if let Some((name, _)) = file.mcp_commands.iter().find(|(_, words)| words.is_empty()) {
            return Err(refuse(format!("mcp_commands.{name} names no program")));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        file.data = file.data.map(|data| folder.join(data));
        Ok(file)
    }
}

/// The variables that the providers of a template may name.
pub(crate) fn variables() -> Variables {
    Arc::new(variable)
}

/// What a program needs that is started for its tools. Nothing else of the environment is for it:
/// the keys of providers are there.
pub(crate) fn environment_of_programs() -> Vec<(String, String)> {
    let names = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];
    names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), variable(name)?)))
        .collect()
}

/// What the operating system calls the person at the terminal.
pub(crate) fn user() -> Option<String> {
    let name = ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(variable)?;
    Some(name.chars().filter(|c| !c.is_control()).take(100).collect())
}

/// <https://no-color.org>
pub(crate) fn colours_are_unwanted() -> bool {
    variable("NO_COLOR").is_some() || variable("TERM").as_deref() == Some("dumb")
}

/// A variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment of the process"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
