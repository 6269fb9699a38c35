//! Where the program's own settings come from. A flag is stronger than its environment variable,
//! which is stronger than the `.env` file, which is stronger than the settings file. Nothing else
//! reads the environment of the process.

pub(crate) mod dot_env;
pub(crate) mod egress;
pub(crate) mod key_file;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum as _;
use nexus_core::auth::Origin;
use nexus_core::egress::{Secrets, Site};
use nexus_core::{Environment, PublicKey};
use nexus_llm::AddressRules;
use nexus_run::Registration;
use nexus_server::{Origins, TrustedProxies};
use secrecy::SecretString;
use serde::Deserialize;

use crate::cli::{Global, LogFormat, environment_named};
use crate::failure::Failure;

use dot_env::DotEnv;
use egress::Egress;
use key_file::KeyFile;

/// The settings file that is read when it is there.
const DEFAULT_FILE: &str = "nexus.yml";
const DEFAULT_LISTEN: &str = "127.0.0.1:8000";
/// Less than `docker stop` waits before it kills.
const DEFAULT_STOP_TIMEOUT: u16 = 8;

/// What holds for this run of the program.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The settings file that was read, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// The data folder, absolute.
    pub(crate) data: PathBuf,
    /// The address of a MongoDB database. It may hold a password. `None`: the embedded store.
    pub(crate) database: Option<SecretString>,
    /// What said where the data is, such as `MONGO_URI`, if anything did.
    pub(crate) named_by: Option<String>,
    /// What is to be heeded about the settings themselves.
    pub(crate) warnings: Vec<String>,
    /// The `.env` file that was read, if there is one.
    pub(crate) dot_env: Option<DotEnv>,
    pub(crate) environment: Environment,
    /// A filter for the log. `None`: the template says.
    pub(crate) log: Option<String>,
    pub(crate) log_format: LogFormat,
    /// The programs that `tools.mcp` of a template may name: program and arguments. Only the
    /// settings file has them: whoever may change a template must not be able to start programs.
    pub(crate) mcp_commands: BTreeMap<String, Vec<String>>,
    listen: Option<String>,
    /// How long a stop may take, in seconds.
    stop_timeout: Option<u16>,
    /// Where people reach the server; the first one is what it calls itself.
    public_origins: Vec<Origin>,
    /// Who may register; `None`: it depends on who can reach the server.
    registration: Option<Registration>,
    /// Who may change what belongs to the installation.
    pub(crate) admins: Vec<PublicKey>,
    /// Proxies that may say for whom they speak.
    pub(crate) trusted_proxies: TrustedProxies,
    egress: Egress,
    /// Keys of providers that are kept in the data folder.
    pub(crate) keys: KeyFile,
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
    stop_timeout: Option<u16>,
    #[serde(default)]
    mcp_commands: BTreeMap<String, Vec<String>>,
    public_origin: Option<OneOrMore>,
    registration: Option<Registration>,
    #[serde(default)]
    admins: Vec<PublicKey>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    #[serde(skip)]
    proxies: TrustedProxies,
    #[serde(default)]
    secrets: BTreeMap<String, Vec<Site>>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    private_hosts: Vec<Site>,
    #[serde(skip)]
    egress: Egress,
}

/// Most servers have one name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

impl Settings {
    pub(crate) fn read(flags: Global) -> Result<Self, Failure> {
        let mut warnings = dot_env::load();
        let usual = || {
            Path::new(DEFAULT_FILE)
                .is_file()
                .then(|| DEFAULT_FILE.into())
        };
        let path = flags.settings.clone();
        let path = path.or_else(|| dot_env::value("NEXUS_SETTINGS").map(PathBuf::from));
        let path = path.or_else(usual);
        let file = match &path {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let named_by = named_by(&flags, &file, path.as_deref());
        let environment = match dot_env::value("NEXUS_ENV") {
            Some(name) => Some(environment_named(&name)?),
            None => None,
        };
        let log = log(&flags, &mut warnings).or(file.log);
        let data = flags
            .data
            .or_else(|| dot_env::value("NEXUS_DATA").map(PathBuf::from))
            .or(file.data)
            .unwrap_or_else(|| PathBuf::from("data"));
        let absolute = std::path::absolute(&data).map_err(|error| {
            let message = format!("{} is not a folder: {error}", data.display());
            Failure::new(message).hint("name one with --data DIR")
        })?;
        Ok(Self {
            keys: KeyFile::read(&absolute)?,
            file: path,
            data: absolute,
            database: flags
                .database
                .or_else(|| dot_env::value("MONGO_URI").map(SecretString::from))
                .or(file.database),
            named_by,
            warnings,
            dot_env: DotEnv::loaded(),
            environment: flags
                .environment
                .or(environment)
                .or(file.environment)
                .unwrap_or(Environment::Development),
            log: log.or_else(|| variable("RUST_LOG")),
            log_format: flags
                .log_format
                .or_else(|| LogFormat::from_str(&dot_env::value("NEXUS_LOG_FORMAT")?, true).ok())
                .or(file.log_format)
                .unwrap_or_default(),
            public_origins: origins(
                flags
                    .public_origin
                    .or_else(|| dot_env::value("NEXUS_PUBLIC_ORIGIN")),
                file.public_origin,
            )?,
            registration: file.registration,
            admins: file.admins,
            trusted_proxies: file.proxies,
            listen: variable("NEXUS_LISTEN").or(file.listen),
            stop_timeout: file.stop_timeout,
            mcp_commands: file.mcp_commands,
            egress: file.egress,
        })
    }

    /// Under which addresses a server that listens here is known.
    pub(crate) fn origins(&self, listens_on: SocketAddr) -> Origins {
        if self.public_origins.is_empty() && listens_on.ip().is_loopback() {
            return Origins::loopback(listens_on.port());
        }
        Origins::new(self.public_origins.clone())
    }

    /// Whether nobody but this machine can reach a server that listens at `listen`.
    pub(crate) fn is_private(&self, listen: &str) -> bool {
        self.public_origins.is_empty() && egress::is_loopback(listen)
    }

    /// Whether a server knows where people reach it.
    pub(crate) fn has_public_origin(&self) -> bool {
        !self.public_origins.is_empty()
    }

    /// Who may register at a server that listens here. What only this machine can reach is open;
    /// elsewhere somebody decides. A server with a public name is reached through a proxy, wherever
    /// it listens.
    pub(crate) fn registration(&self, listens_on: SocketAddr) -> Registration {
        let usual = if listens_on.ip().is_loopback() && self.public_origins.is_empty() {
            Registration::Open
        } else {
            Registration::Approval
        };
        self.registration.unwrap_or(usual)
    }

    /// Where the data is, for people.
    pub(crate) fn place(&self) -> String {
        match &self.database {
            Some(_) => "the database".to_owned(),
            None => self.data.display().to_string(),
        }
    }

    /// Where people reach the server, as far as the settings say: the public origin, else where it
    /// listens.
    pub(crate) fn reached_at(&self) -> String {
        if let Some(origin) = self.public_origins.first() {
            return origin.to_string();
        }
        let listen = self.listen(None);
        match listen.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_unspecified() => {
                format!("http://127.0.0.1:{}", address.port())
            }
            _ => format!("http://{listen}"),
        }
    }

    /// The first address of the server, where people reach it.
    pub(crate) fn public_origin(&self) -> Option<&Origin> {
        self.public_origins.first()
    }

    /// How long a stop may take, with everything; `flag` is the strongest.
    pub(crate) fn stop_timeout(&self, flag: Option<u16>) -> Duration {
        let named = || variable("NEXUS_STOP_TIMEOUT")?.parse().ok();
        let seconds = flag.or_else(named).or(self.stop_timeout);
        Duration::from_secs(seconds.unwrap_or(DEFAULT_STOP_TIMEOUT).max(1).into())
    }

    /// Where to listen; `flag` is the strongest.
    pub(crate) fn listen(&self, flag: Option<String>) -> String {
        flag.or_else(|| self.listen.clone())
            .unwrap_or_else(|| DEFAULT_LISTEN.to_owned())
    }
}

impl Settings {
    /// The variables that the providers of a template may name, and for where.
    pub(crate) fn secrets(&self) -> Secrets {
        self.secrets_with(self.environment, &self.keys)
    }

    /// The same for an environment, with these keys in the data folder.
    pub(crate) fn secrets_with(&self, environment: Environment, keys: &KeyFile) -> Secrets {
        self.egress.secrets(environment, keys)
    }

    /// Where connections to providers may go, for a server that listens at `listen`.
    pub(crate) fn address_rules(&self, listen: &str) -> AddressRules {
        self.egress.rules(listen)
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
                "it may say data, database, environment, log, log_format, listen, stop_timeout, \
                 public_origin, registration, admins, trusted_proxies, secrets, addresses, private_hosts and \
                 mcp_commands",
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
        file.proxies = TrustedProxies::parse(&file.trusted_proxies).map_err(refuse)?;
        file.egress = Egress::new(
            std::mem::take(&mut file.secrets),
            std::mem::take(&mut file.addresses),
            std::mem::take(&mut file.private_hosts),
        )
        .map_err(refuse)?;
        Ok(file)
    }
}

/// A flag or a variable may name several, separated by commas.
fn origins(flag: Option<String>, file: Option<OneOrMore>) -> Result<Vec<Origin>, Failure> {
    let texts = match flag {
        Some(text) => text.split(',').map(|it| it.trim().to_owned()).collect(),
        None => file.map_or_else(Vec::new, OneOrMore::into_vec),
    };
    let parse = |text: &String| {
        text.parse().map_err(|error| {
            Failure::new(format!("public_origin is {text:?}: {error}"))
                .hint("it is set by --public-origin, NEXUS_PUBLIC_ORIGIN or the settings file")
        })
    };
    texts.iter().map(parse).collect()
}

/// What the flag, the variables and the `.env` file say about the log. `LOG_LEVEL` has the levels of
/// the specification.
fn log(flags: &Global, warnings: &mut Vec<String>) -> Option<String> {
    let mut level = |text: Option<String>, place: &str| {
        let text = text?;
        let filter = match text.to_ascii_uppercase().as_str() {
            "DEBUG" => "debug",
            "INFO" => "info",
            "WARNING" | "WARN" => "warn",
            "ERROR" | "CRITICAL" => "error",
            _ => {
                warnings.push(format!(
                    "LOG_LEVEL{place} is {text:?} and is not used: expected DEBUG, INFO, WARNING \
                     or ERROR"
                ));
                return None;
            }
        };
        Some(filter.to_owned())
    };
    flags
        .log
        .clone()
        .or_else(|| level(process_variable("LOG_LEVEL"), ""))
        .or_else(|| dot_env::value("NEXUS_LOG"))
        .or_else(|| level(dot_env::value("LOG_LEVEL"), " in .env"))
}

/// What said where the data is: the database, else the folder.
fn named_by(flags: &Global, file: &File, path: Option<&Path>) -> Option<String> {
    let by = |flag: &str, is_flag: bool, variable: &str, is_in_file: bool| {
        // A flag and a variable come from the command line's parser as one.
        let is_flag = is_flag && !flags.from_variables.iter().any(|it| it == flag);
        if is_flag {
            Some(format!("--{flag}"))
        } else if process_variable(variable).is_some() {
            Some(variable.to_owned())
        } else if dot_env::value(variable).is_some() {
            Some(format!("{variable} in .env"))
        } else if is_in_file {
            path.map(|path| path.display().to_string())
        } else {
            None
        }
    };
    let database = flags.database.is_some();
    let data = flags.data.is_some();
    by("database", database, "MONGO_URI", file.database.is_some())
        .or_else(|| by("data", data, "NEXUS_DATA", file.data.is_some()))
}

/// What a program needs that is started for its tools. Nothing else of the environment is for it:
/// the keys of providers are there.
pub(crate) fn environment_of_programs() -> Vec<(String, String)> {
    let names = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];
    names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), process_variable(name)?)))
        .collect()
}

/// What the operating system calls the person at the terminal.
pub(crate) fn user() -> Option<String> {
    let name = ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(process_variable)?;
    Some(name.chars().filter(|c| !c.is_control()).take(100).collect())
}

/// What opens the key of whoever is at the terminal, for scripts.
pub(crate) fn passphrase() -> Option<SecretString> {
    variable("NEXUS_PASSPHRASE").map(SecretString::from)
}

/// Where the person at the terminal keeps settings of theirs: the XDG base directories.
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
pub(crate) fn personal_folder() -> Option<PathBuf> {
    let folder = process_variable("XDG_CONFIG_HOME").map(PathBuf::from);
    // The specification: a relative one is to be ignored.
    let folder = folder.filter(|folder| folder.is_absolute());
    let folder =
        folder.or_else(|| Some(PathBuf::from(process_variable("HOME")?).join(".config")))?;
    Some(folder.join("nexus"))
}

/// <https://no-color.org>
pub(crate) fn colours_are_unwanted() -> bool {
    process_variable("NO_COLOR").is_some() || process_variable("TERM").as_deref() == Some("dumb")
}

/// A variable that is set and not empty, in the environment or else in the `.env` file.
fn variable(name: &str) -> Option<String> {
    process_variable(name).or_else(|| dot_env::value(name))
}

/// A variable of the environment that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment of the process"
)]
fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
