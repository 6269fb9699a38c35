//! Tools of MCP servers, as tools of a run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nexus_core::tools::{ToolServer, model_name};
use nexus_llm::ToolSpec;
use nexus_mcp::{McpClient, RemoteTool, Session};
use serde_json::{Map, Value};

use super::{Away, Offered, Tool, ToolServers};
use crate::context::RunContext;

/// The servers that a template names.
#[derive(Clone, Debug)]
pub struct McpTools(McpClient);

impl McpTools {
    /// Over these connections.
    #[must_use]
    pub const fn new(client: McpClient) -> Self {
        Self(client)
    }
}

#[async_trait]
impl ToolServers for McpTools {
    async fn offered(&self, server: &Arc<ToolServer>) -> Result<Vec<Offered>, Away> {
        let session = self.0.session(server).await;
        let session = session.map_err(|down| Away {
            reason: down.to_string(),
            advice: down.advice().map(str::to_owned),
        })?;
        let tool = |tool: &RemoteTool| Offered {
            name: Arc::clone(&tool.name),
            tool: Arc::new(McpTool {
                name: Arc::clone(&tool.name),
                server: Arc::clone(server),
                session: Arc::clone(&session),
            }),
        };
        Ok(session.tools().iter().map(tool).collect())
    }
}

struct McpTool {
    name: Arc<str>,
    server: Arc<ToolServer>,
    session: Arc<Session>,
}

#[async_trait]
impl Tool for McpTool {
    fn spec(&self) -> ToolSpec {
        let tool = self.session.tools().iter().find(|it| it.name == self.name);
        ToolSpec {
            name: model_name(&self.server.name, &self.name),
            description: tool.map(|it| it.description.clone()).unwrap_or_default(),
            parameters: tool.map(|it| it.parameters.clone()).unwrap_or_default(),
        }
    }

    fn timeout(&self) -> Duration {
        self.server.timeout
    }

    /// The server is told the arguments, and nothing of who asks.
    async fn call(&self, _: &RunContext, arguments: Map<String, Value>) -> Result<String, String> {
        self.session.call(&self.name, arguments).await
    }
}
