//! Servers that are programs of this machine, speaking over standard input and output.
//!
//! Which program that is, only the settings of the program say (`mcp_commands`). A template that
//! could say it would let whoever may change the template run anything, as in CVE-2026-42271
//! of another gateway.

use std::collections::BTreeMap;
use std::process::Stdio;

use process_wrap::tokio::{CommandWrap, KillOnDrop, ProcessGroup};
use rmcp::transport::TokioChildProcess;
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio_util::task::TaskTracker;

use crate::connection::Down;

/// How much of what a program complains about goes into one line of the log, in bytes.
const COMPLAINT: usize = 2048;

/// The programs that templates may name, and the variables that they are given. Nothing else of
/// the environment of Nexus is passed on: it holds the keys of providers.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// By name: the program, then its arguments.
    pub programs: BTreeMap<String, Vec<String>>,
    /// `PATH`, `HOME` and the like.
    pub environment: Vec<(String, String)>,
}

impl Commands {
    /// Starts a program, in a process group of its own, so that what it starts ends with it.
    pub(crate) fn start(&self, name: &str, tasks: &TaskTracker) -> Result<TokioChildProcess, Down> {
        let words = self.programs.get(name).map(Vec::as_slice);
        let Some([program, arguments @ ..]) = words else {
            return Err(Down::new(format!(
                "mcp_commands of the settings file has no command named {name}"
            )));
        };
        let mut command = CommandWrap::with_new(program, |command| {
            command
                .args(arguments)
                .env_clear()
                .envs(self.environment.iter().map(|(name, value)| (name, value)));
        });
        command.wrap(ProcessGroup::leader()).wrap(KillOnDrop);
        let (process, complaints) = TokioChildProcess::builder(command)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Down::new(format!("the command {name} does not start: {error}")))?;
        if let Some(complaints) = complaints {
            tasks.spawn(log(name.to_owned(), complaints));
        }
        Ok(process)
    }
}

/// Reads what a program complains about, so that it never waits for a reader.
async fn log(name: String, mut complaints: ChildStderr) {
    let mut bytes = vec![0; COMPLAINT];
    while let Ok(count @ 1..) = complaints.read(&mut bytes).await {
        let said = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default());
        tracing::debug!(command = name, said = ?said.trim_end(), "a tool server complains");
    }
}
