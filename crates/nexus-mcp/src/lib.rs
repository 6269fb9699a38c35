//! Tools of MCP servers (<https://modelcontextprotocol.io>), by the official SDK.
//!
//! | module | what it holds |
//! |---|---|
//! | [`McpClient`] | the connections: opened when they are needed, kept, shared by everybody |
//! | [`Session`] | one open connection: its tools, and calling them |
//! | `connection` | opens a connection again after a failure, closes it when nobody needs it |
//! | `session` | the handshake, the list of tools, one call |
//! | `stdio` | servers that are programs of this machine |
//! | `http` | servers at an address |
//!
//! A server is shown tool names and arguments, and never who asks. What it says is data: texts of
//! limited size, for a model to read.

mod connection;
mod http;
mod session;
mod stdio;

use std::sync::{Arc, Mutex, PoisonError};

use nexus_core::tools::ToolServer;
use nexus_egress::HttpClient;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use connection::Down;
pub use nexus_egress::{AddressRules, SetupError};
pub use session::{RemoteTool, Session};
pub use stdio::Commands;

use connection::Connection;

/// The connections to all tool servers.
#[derive(Clone, Debug)]
pub struct McpClient {
    shared: Arc<Shared>,
}

/// What all connections have in common.
#[derive(Debug)]
struct Shared {
    commands: Commands,
    http: HttpClient,
    connections: Mutex<Vec<Arc<Connection>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl McpClient {
    /// A client without connections. They live in tasks of `tasks`, until `stop`, and go to what
    /// `rules` allow.
    ///
    /// # Errors
    /// When the TLS settings of the machine cannot be used.
    pub fn new(
        commands: Commands,
        rules: AddressRules,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            shared: Arc::new(Shared {
                commands,
                http: HttpClient::new(http::CONNECT, rules)?,
                connections: Mutex::default(),
                tasks,
                stop,
            }),
        })
    }

    /// The connection to a server. The first one who asks makes it open, and waits for that, at
    /// most ten seconds; after a failure nobody waits: it is tried again in the background.
    ///
    /// # Errors
    /// When the server cannot be reached, with the reason for people.
    pub async fn session(&self, server: &Arc<ToolServer>) -> Result<Arc<Session>, Down> {
        let connection = self.connection(server)?;
        connection.session().await
    }

    fn connection(&self, server: &Arc<ToolServer>) -> Result<Arc<Connection>, Down> {
        if self.shared.stop.is_cancelled() {
            return Err(Down::stopping());
        }
        let mut connections = self.shared.lock();
        let known = connections.iter().find(|it| it.is_to(server));
        if let Some(connection) = known {
            connection.note_wanted();
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(Connection::new(Arc::clone(server)));
        connections.push(Arc::clone(&connection));
        let keeper = connection::keep(Arc::clone(&self.shared), Arc::clone(&connection));
        self.shared.tasks.spawn(keeper);
        Ok(connection)
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Connection>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
