//! Connections to tool servers that the tests start: a real one, and one that misbehaves.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nexus_core::catalog::Credential;
use nexus_core::tools::{Reach, ToolServer};
use nexus_mcp::{AddressRules, Commands, McpClient, Session};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a test waits for what happens.
const PATIENCE: Duration = Duration::from_secs(10);

/// The real server: `@modelcontextprotocol/server-everything` of the package index.
const EVERYTHING: &str =
    ".tools/mcp-server/node_modules/@modelcontextprotocol/server-everything/dist/index.js";

/// A client that knows both.
pub struct World {
    /// The client.
    pub client: McpClient,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    /// With the real server as the command `everything`, and the odd one, told to behave in some
    /// way, as `odd`.
    #[must_use]
    pub fn new(behaviour: &str) -> Self {
        let rules = AddressRules {
            loopback: true,
            ..AddressRules::default()
        };
        Self::with_rules(behaviour, rules)
    }

    /// One that reaches no other addresses than these.
    #[must_use]
    pub fn with_rules(behaviour: &str, rules: AddressRules) -> Self {
        let odd = odd_server();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let commands = Commands {
            programs: [
                (
                    "everything".to_owned(),
                    words(&["node", &everything(), "stdio"]),
                ),
                (
                    "odd".to_owned(),
                    words(&["python3", &odd.to_string_lossy(), behaviour]),
                ),
                ("missing".to_owned(), words(&["/nowhere/at/all"])),
            ]
            .into(),
            environment: vec![("PATH".to_owned(), env!("PATH").to_owned())],
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let client = McpClient::new(commands, rules, tasks.clone(), stop.clone()).unwrap();
        Self {
            client,
            tasks,
            stop,
        }
    }

    /// A connection to this server, which must succeed.
    pub async fn session(&self, server: &Arc<ToolServer>) -> Arc<Session> {
        self.client.session(server).await.unwrap()
    }

    /// Waits until the server can be reached, and it is another connection than `before`.
    pub async fn another_session(
        &self,
        server: &Arc<ToolServer>,
        before: &Arc<Session>,
    ) -> Arc<Session> {
        let poll = async {
            loop {
                match self.client.session(server).await {
                    Ok(session) if !Arc::ptr_eq(&session, before) => return session,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.unwrap()
    }

    /// Closes everything, and waits until it is.
    pub async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(PATIENCE, self.tasks.wait())
            .await
            .unwrap();
    }
}

/// The server that is a command of the client.
#[must_use]
pub fn stdio(command: &str) -> Arc<ToolServer> {
    Arc::new(ToolServer {
        name: command.into(),
        reach: Reach::Stdio {
            command: command.into(),
        },
        timeout: PATIENCE,
    })
}

/// The server at this address.
#[must_use]
pub fn http(address: &str) -> Arc<ToolServer> {
    http_with_key(address, Credential::NotNeeded, None)
}

/// The server at this address, asked with a key.
#[must_use]
pub fn http_with_key(
    address: &str,
    credential: Credential,
    header: Option<&str>,
) -> Arc<ToolServer> {
    Arc::new(ToolServer {
        name: "web".into(),
        reach: Reach::Http {
            url: address.parse().unwrap(),
            credential,
            header: header.map(Into::into),
        },
        timeout: PATIENCE,
    })
}

/// The script of the odd server, which takes its behaviour as an argument.
#[must_use]
pub fn odd_server() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mcp/odd_server.py")
}

fn everything() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file: PathBuf = root.join(EVERYTHING);
    assert!(
        file.exists(),
        "there is no MCP server to test with: run scripts/install-test-tools mcp"
    );
    file.to_string_lossy().into_owned()
}

/// The real server at an address of its own. It ends with the value.
pub struct AtAnAddress {
    /// Its URL.
    pub address: String,
    _process: Child,
}

impl AtAnAddress {
    /// At a free port.
    pub async fn start() -> Self {
        // Bound and freed again: the server takes no listener and does not tell its port.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        Self::start_at(port).await
    }

    /// At this port.
    pub async fn start_at(port: u16) -> Self {
        let mut process = Command::new("node")
            .args([&everything(), "streamableHttp"])
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("node does not start: {error}: install Node 20"));
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("listening on port") {
                    return;
                }
            }
            panic!("the server ended");
        };
        tokio::time::timeout(PATIENCE, ready).await.unwrap();
        Self {
            address: format!("http://127.0.0.1:{port}/mcp"),
            _process: process,
        }
    }
}
