//! One open connection: the handshake, the list of tools, one call.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use nexus_core::catalog::Credential;
use nexus_core::egress::PinnedKey;
use nexus_core::text;
use nexus_core::tools::{Reach, ToolServer};
use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ContentBlock,
    Implementation, PaginatedRequestParams, ResourceContents, Tool,
};
use rmcp::service::{
    ClientInitializeError, NotificationContext, Peer, RoleClient, RunningService, ServiceError,
    ServiceExt as _,
};
use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::connection::Down;
use crate::{Shared, http};

/// How many tools of one server are used; the vendors take about as many in a request.
const MAX_TOOLS: usize = 128;
/// How many pages a list of tools may have.
const MAX_PAGES: usize = 16;
/// How much of a description is told, in bytes (OpenAI takes 1024 characters).
const MAX_DESCRIPTION: usize = 1024;
/// The largest schema of arguments, in bytes of JSON.
const MAX_SCHEMA: usize = 16 * 1024;

/// A tool, as its server describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteTool {
    /// What the server calls it.
    pub name: Arc<str>,
    /// What it does, for a model.
    pub description: String,
    /// A JSON Schema of its arguments.
    pub parameters: Value,
}

/// An open connection.
pub struct Session {
    tools: Vec<RemoteTool>,
    peer: Peer<RoleClient>,
    /// What the server was shown, and must not repeat to anybody.
    key: Option<PinnedKey>,
    broken: CancellationToken,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("tools", &self.tools.len())
            .finish_non_exhaustive()
    }
}

/// What opening gives to the one who keeps the connection.
pub(crate) struct Opened {
    pub(crate) session: Arc<Session>,
    pub(crate) service: RunningService<RoleClient, Listener>,
    /// Says that the list of tools changed.
    pub(crate) changed: Arc<Notify>,
}

impl Opened {
    pub(crate) fn tools(&self) -> usize {
        self.session.tools.len()
    }
}

/// Opens a connection and lists the tools.
pub(crate) async fn open(shared: &Shared, server: &ToolServer) -> Result<Opened, Down> {
    let changed = Arc::new(Notify::new());
    let listener = Listener {
        changed: Arc::clone(&changed),
    };
    let service = match &server.reach {
        Reach::Stdio { command } => {
            let process = shared.commands.start(command, &shared.tasks)?;
            listener.serve(process).await
        }
        Reach::Http {
            url,
            credential,
            header,
        } => {
            let transport = http::transport(&shared.http, url, credential, header.as_deref())?;
            listener.serve(transport).await
        }
    };
    let service = service.map_err(|error| refused(&error))?;
    let peer = service.peer().clone();
    let key = match &server.reach {
        Reach::Http {
            credential: Credential::Key(key),
            ..
        } => Some(key.clone()),
        Reach::Http { .. } | Reach::Stdio { .. } => None,
    };
    let session = Session {
        tools: list(&peer, key.as_ref()).await?,
        peer,
        key,
        broken: CancellationToken::new(),
    };
    Ok(Opened {
        session: Arc::new(session),
        service,
        changed,
    })
}

impl Session {
    /// The tools of the server.
    #[must_use]
    pub fn tools(&self) -> &[RemoteTool] {
        &self.tools
    }

    /// Calls a tool. What it says and what goes wrong are texts for a model, without the key that the
    /// server was shown; neither is limited in length here, beyond what the transport takes. Limiting the time is up to the caller: whoever
    /// stops waiting tells the server so.
    ///
    /// # Errors
    /// When the tool says that it failed, or the connection broke.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<String, String> {
        let said = self.ask(tool, arguments).await;
        let clean = |mut text: String| {
            // First: what hides in the key would hide the key.
            text::clean_and_note(&mut text);
            match &self.key {
                Some(key) => key.blot(&text).into_owned(),
                None => text,
            }
        };
        said.map(clean).map_err(clean)
    }

    async fn ask(&self, tool: &str, arguments: Map<String, Value>) -> Result<String, String> {
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        match self.peer.call_tool(request).await {
            Ok(result) => said(result),
            Err(ServiceError::McpError(error)) => Err(error.message.into_owned()),
            Err(ServiceError::UnexpectedResponse) => {
                Err("the server answered with something else than a result".to_owned())
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to a tool server broke");
                self.broken.cancel();
                Err("the connection to the tool broke".to_owned())
            }
        }
    }

    /// Ends when a call has found the connection broken.
    pub(crate) fn broken(&self) -> impl Future<Output = ()> + use<> {
        self.broken.clone().cancelled_owned()
    }

    /// The same connection, with the tools that the server has now.
    pub(crate) async fn listed_again(&self) -> Result<Arc<Self>, Down> {
        Ok(Arc::new(Self {
            tools: list(&self.peer, self.key.as_ref()).await?,
            peer: self.peer.clone(),
            key: self.key.clone(),
            broken: self.broken.clone(),
        }))
    }
}

/// Hears what a server says unasked. Everything that a server may ask of us is refused.
pub(crate) struct Listener {
    changed: Arc<Notify>,
}

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        let nexus = Implementation::new("nexus", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), nexus)
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

async fn list(peer: &Peer<RoleClient>, key: Option<&PinnedKey>) -> Result<Vec<RemoteTool>, Down> {
    let mut tools = HashMap::new();
    let mut order = Vec::new();
    let mut cursor = None;
    for _ in 0..MAX_PAGES {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let page = peer.list_tools(Some(page)).await;
        let page = page.map_err(|error| broken(&error).during("it does not list its tools"))?;
        for mut tool in page.tools.into_iter().filter_map(remote) {
            text::clean(&mut tool.description);
            text::clean_json(&mut tool.parameters);
            if let Some(key) = key {
                if key.blot(&tool.name) != *tool.name {
                    tracing::warn!("a tool is left out: its name has the key of its server in it");
                    continue;
                }
                tool.description = key.blot(&tool.description).into_owned();
                key.blot_json(&mut tool.parameters);
            }
            if order.len() < MAX_TOOLS && !tools.contains_key(&tool.name) {
                order.push(Arc::clone(&tool.name));
                tools.insert(Arc::clone(&tool.name), tool);
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(order.iter().filter_map(|name| tools.remove(name)).collect())
}

fn remote(tool: Tool) -> Option<RemoteTool> {
    let mut description = tool
        .description
        .or_else(|| tool.title.map(Into::into))
        .unwrap_or_default()
        .into_owned();
    description.truncate(description.floor_char_boundary(MAX_DESCRIPTION));
    let parameters = Value::Object((*tool.input_schema).clone());
    let mut name = tool.name.to_string();
    text::clean(&mut name);
    let has_name = (1..=128).contains(&name.len()) && name == *tool.name;
    if !has_name || parameters.to_string().len() > MAX_SCHEMA {
        tracing::warn!(
            "a tool is left out: its name or its schema is too long, or its name has control or \
             hidden characters"
        );
        return None;
    }
    Some(RemoteTool {
        name: tool.name.into(),
        description,
        parameters,
    })
}

/// What a tool said, as a text.
fn said(result: CallToolResult) -> Result<String, String> {
    let failed = result.is_error == Some(true);
    let parts: Vec<_> = result.content.into_iter().map(part).collect();
    let text = match (parts.is_empty(), result.structured_content) {
        (true, Some(value)) => value.to_string(),
        _ => parts.join("\n"),
    };
    if failed { Err(text) } else { Ok(text) }
}

fn part(block: ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => format!("[an image, {}, not shown]", image.mime_type),
        ContentBlock::Audio(audio) => format!("[a sound, {}, not played]", audio.mime_type),
        ContentBlock::ResourceLink(link) => format!("[see {}: {}]", link.uri, link.name),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { text, .. } => text,
            ResourceContents::BlobResourceContents { uri, .. } => {
                format!("[a file, {uri}, not shown]")
            }
            _ => "[something that cannot be shown]".to_owned(),
        },
        _ => "[something that cannot be shown]".to_owned(),
    }
}

/// Why a handshake failed, for people. The words of the library may hold anything that a server
/// sent, so only what is known is repeated.
fn refused(error: &ClientInitializeError) -> Down {
    Down::new(match error {
        ClientInitializeError::ConnectionClosed(_) => "it closed the connection at once".to_owned(),
        ClientInitializeError::JsonRpcError(error) => format!("it refused: error {}", error.code.0),
        ClientInitializeError::TransportError { error, .. } => {
            return http::down(error.error.as_ref());
        }
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            "it speaks another version of the protocol".to_owned()
        }
        ClientInitializeError::Cancelled => "Nexus is stopping".to_owned(),
        _ => "what it said is not the protocol".to_owned(),
    })
}

fn broken(error: &ServiceError) -> Down {
    match error {
        ServiceError::McpError(error) => Down::new(format!("error {}", error.code.0)),
        ServiceError::TransportSend(error) => http::down(error.error.as_ref()),
        ServiceError::TransportClosed => Down::new("the connection was closed"),
        _ => Down::new("what it said is not the protocol"),
    }
}
