//! `GET /api/v1/tools`: what a person's model may call.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use nexus_core::ToolName;
use nexus_run::personal;
use nexus_run::tools::{Source, SourceTool};
use serde::Serialize;

use crate::{ApiError, AppState, Member};

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    servers: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: Arc<str>,
    kind: &'static str,
    /// Whether its tools can be called now.
    reachable: bool,
    /// Why not, if not. What is advised about it is for whoever runs the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    tools: Vec<Tool>,
}

#[derive(Debug, Serialize)]
struct Tool {
    name: ToolName,
    model_name: String,
    description: String,
    /// Whether the person has it.
    on: bool,
}

pub(crate) async fn list_tools(
    State(state): State<AppState>,
    Member(identity): Member,
) -> Result<Json<Answer>, ApiError> {
    let orchestrator = &state.orchestrator;
    let genesis = orchestrator.template.current()?;
    let profile = personal::profile(&genesis, &identity);
    let names = &profile.tools.value;
    let sources = orchestrator.tools.sources(&genesis, names).await;
    Ok(Json(Answer {
        servers: sources.into_iter().map(row).collect(),
    }))
}

fn row(source: Source) -> Row {
    let (tools, reason) = match source.tools {
        Ok(tools) => (tools, None),
        Err(away) => (Vec::new(), Some(away.reason)),
    };
    Row {
        name: source.name,
        kind: source.kind.as_str(),
        reachable: reason.is_none(),
        reason,
        tools: tools.into_iter().map(tool).collect(),
    }
}

fn tool(tool: SourceTool) -> Tool {
    Tool {
        name: tool.name,
        model_name: tool.told_as,
        description: tool.description,
        on: tool.is_on,
    }
}
