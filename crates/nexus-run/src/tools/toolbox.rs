//! All tools of this server, and which of them a run has.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use nexus_core::tools::{CURRENT_TIME, Reach, ToolServer};
use nexus_core::{Genesis, ToolName};

use super::{RunTools, Tool};
use crate::context::RunContext;

/// Where the tools of servers come from.
#[async_trait]
pub trait ToolServers: Send + Sync {
    /// The tools that a server has now.
    ///
    /// # Errors
    /// When it cannot be reached.
    async fn offered(&self, server: &Arc<ToolServer>) -> Result<Vec<Offered>, Away>;
}

/// Why a server cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// For everybody.
    pub reason: String,
    /// More about it, for whoever runs the server only: it may name addresses inside the network.
    pub advice: Option<String>,
}

/// A tool of a server.
#[derive(Clone)]
pub struct Offered {
    /// What the server calls it.
    pub name: Arc<str>,
    /// The tool.
    pub tool: Arc<dyn Tool>,
}

/// The tools of this server.
#[derive(Clone)]
pub struct ToolBox {
    current_time: Arc<dyn Tool>,
    servers: Arc<dyn ToolServers>,
}

impl ToolBox {
    /// What is built in, and the servers.
    #[must_use]
    pub fn new(current_time: Arc<dyn Tool>, servers: Arc<dyn ToolServers>) -> Self {
        Self {
            current_time,
            servers,
        }
    }

    /// The tools that a run has: those that its profile names, of servers that can be reached. A
    /// server that cannot takes only its own tools away.
    pub async fn open(&self, run: &RunContext) -> RunTools {
        let names = &*run.profile.tools.value;
        if names.is_empty() {
            return RunTools::new(Vec::new());
        }
        let mut tools = Vec::new();
        if names.iter().any(|name| name.as_str() == CURRENT_TIME) {
            tools.push(Arc::clone(&self.current_time));
        }
        let servers = run.genesis.tool_servers().iter();
        let servers =
            servers.filter(|server| names.iter().any(|name| name.source() == &*server.name));
        let asked = servers.map(async |server| (server, self.servers.offered(server).await));
        let answers = tokio::select! {
            biased;
            _ = run.stopped() => return RunTools::new(Vec::new()),
            answers = join_all(asked) => answers,
        };
        for (server, offered) in answers {
            match offered {
                Ok(offered) => tools.extend(
                    offered
                        .into_iter()
                        .filter(|it| is_named(names, &server.name, &it.name))
                        .map(|it| it.tool),
                ),
                Err(away) => {
                    tracing::debug!(
                        server = &*server.name,
                        reason = away.reason,
                        "this run goes without these tools"
                    );
                }
            }
        }
        RunTools::new(tools)
    }

    /// All tools there are, by where they come from, and which of them `names` turn on. Servers
    /// that are not connected yet are connected now.
    pub async fn sources(&self, genesis: &Genesis, names: &[ToolName]) -> Vec<Source> {
        let builtin = ToolName::of_server(CURRENT_TIME);
        let mut sources = vec![Source {
            name: CURRENT_TIME.into(),
            kind: SourceKind::Builtin,
            tools: Ok(vec![SourceTool::new(
                &*self.current_time,
                names.contains(&builtin),
                builtin,
            )]),
        }];
        let asked = genesis.tool_servers().iter();
        let asked = asked.map(async |server| (server, self.servers.offered(server).await));
        for (server, offered) in join_all(asked).await {
            let tool = |it: Offered| {
                let is_on = is_named(names, &server.name, &it.name);
                SourceTool::new(&*it.tool, is_on, ToolName::of_tool(&server.name, &it.name))
            };
            sources.push(Source {
                name: Arc::clone(&server.name),
                kind: match &server.reach {
                    Reach::Stdio { .. } => SourceKind::Stdio,
                    Reach::Http { .. } => SourceKind::Http,
                },
                tools: offered.map(|tools| tools.into_iter().map(tool).collect()),
            });
        }
        sources
    }
}

fn is_named(names: &[ToolName], server: &str, tool: &str) -> bool {
    names
        .iter()
        .any(|name| name.source() == server && name.tool().is_none_or(|only| only == tool))
}

/// Where tools come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// `current_time`, or the name of the server.
    pub name: Arc<str>,
    /// How it is reached.
    pub kind: SourceKind,
    /// Its tools, or why it cannot be reached.
    pub tools: Result<Vec<SourceTool>, Away>,
}

/// How tools are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// In this program.
    Builtin,
    /// A program of this machine.
    Stdio,
    /// An address.
    Http,
}

impl SourceKind {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Stdio => "stdio",
            Self::Http => "http",
        }
    }
}

/// One tool, for people.
#[derive(Clone, Debug)]
pub struct SourceTool {
    /// The name for `config.tools`.
    pub name: ToolName,
    /// The name that models are told.
    pub told_as: String,
    /// What it does, in the words of its server.
    pub description: String,
    /// Whether the person has it.
    pub is_on: bool,
}

impl SourceTool {
    fn new(tool: &dyn Tool, is_on: bool, name: ToolName) -> Self {
        let spec = tool.spec();
        Self {
            name,
            told_as: spec.name,
            description: spec.description,
            is_on,
        }
    }
}
