//! Starts the program in a folder of its own, with an environment of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nexus_core::auth::SigningKey;
use serde_json::Value;
use tempfile::TempDir;

/// A folder in which the program works; gone at the end of the test.
pub(crate) struct Home(TempDir);

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The program, not started yet. It knows nothing of the machine that tests it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env_clear()
            .env("XDG_CONFIG_HOME", self.path("config"))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The same, started by a line of the shell that says `exec "$0" "$@"` at its end.
    pub(crate) fn command_by(&self, line: &str, arguments: &[&str]) -> Command {
        let program = self.command(arguments);
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .arg(program.get_program())
            .args(program.get_args())
            .env_clear()
            .env("XDG_CONFIG_HOME", self.path("config"))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.path("serve.log")).unwrap());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        finish(self.command(arguments).spawn().unwrap())
    }

    /// Runs a command to its end, with something to read.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Done {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        finish(child)
    }

    /// Runs a command that must succeed, and gives what it printed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.code, Some(0), "{arguments:?}: {done:#?}");
        done.out
    }

    /// Runs a command that must succeed, and gives the JSON that it printed.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Runs a command that must fail, and gives what it said about it.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str]) -> Done {
        let done = self.run(arguments);
        assert_eq!(done.code, Some(1), "{arguments:?}: {done:#?}");
        assert!(done.err.contains("error: "), "{done:#?}");
        for leak in ["panicked", "RUST_BACKTRACE", "Error {", "Some(", "Os {"] {
            assert!(!done.err.contains(leak), "{done:#?}");
        }
        done
    }

    /// The private key that was made here for an address.
    #[track_caller]
    pub(crate) fn key_of(&self, address: &str) -> SigningKey {
        let file = self.path(&format!("data/keys/{address}.key"));
        SigningKey::from_hex(fs::read_to_string(file).unwrap().trim()).unwrap()
    }

    /// Registers somebody; gives their key and a token.
    #[track_caller]
    pub(crate) fn member(&self) -> (String, String) {
        let new = self.json(&["identity", "new"]);
        let text = |name: &str| new[name].as_str().unwrap().to_owned();
        (text("public_key"), text("token"))
    }

    /// Starts `nexus serve` on a free port and waits until it says where.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&self, more: &[&str]) -> Server {
        self.serve_in(more, &[])
    }

    /// Starts `nexus serve` with variables of its own.
    pub(crate) fn serve_in(&self, more: &[&str], environment: &[(&str, &str)]) -> Server {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], more].concat();
        let mut command = self.command(&arguments);
        command.envs(environment.iter().copied());
        let log = fs::File::create(self.path("serve.log")).unwrap();
        command.stderr(log);
        self.serve_by(command)
    }

    /// Starts `nexus serve` by a command whose standard error goes where it says.
    pub(crate) fn serve_by(&self, mut command: Command) -> Server {
        let mut server = Server {
            child: command.spawn().unwrap(),
            address: String::new(),
            report: String::new(),
            log: self.path("serve.log"),
        };
        let mut out = BufReader::new(server.child.stdout.take().unwrap());
        while server.address.is_empty() {
            let mut line = String::new();
            let read = out.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended: {}{}", server.report, server.log());
            server.report.push_str(&line);
            let line = line.trim_end();
            let listens = line.strip_prefix("Listening on http://");
            if let Some(address) = listens.or_else(|| line.strip_prefix("Open http://")) {
                address.clone_into(&mut server.address);
            }
        }
        server
    }
}

pub(crate) fn finish(child: Child) -> Done {
    let output = child.wait_with_output().unwrap();
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Sends a signal, such as `INT`.
pub(crate) fn send(signal: &str, child: &Child) {
    // The one that is built into the shell: not every machine has the program.
    let kill = format!("kill -s {signal} {}", child.id());
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success());
}

/// A server that is running. It is killed when the test drops it.
pub(crate) struct Server {
    pub(crate) address: String,
    /// What it said when it started.
    pub(crate) report: String,
    log: PathBuf,
    child: Child,
}

impl Server {
    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, waits until it has, and gives its exit code.
    pub(crate) fn stop(mut self, signal: &str) -> Option<i32> {
        send(signal, &self.child);
        self.child.wait().unwrap().code()
    }

    pub(crate) fn send(&self, signal: &str) {
        send(signal, &self.child);
    }

    /// The most memory that it ever had, in MiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() / 1024
    }

    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The program to drive: the one that `NEXUS_BINARY` names, else the one just built.
#[expect(
    clippy::disallowed_methods,
    reason = "nobody passes the environment in to a test"
)]
fn binary() -> PathBuf {
    let other = std::env::var_os("NEXUS_BINARY");
    other.map_or_else(|| env!("CARGO_BIN_EXE_nexus").into(), PathBuf::from)
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}
