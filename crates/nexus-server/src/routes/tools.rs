//! `GET /api/v1/tools`: what a person's model may call.

use axum::Json;
use axum::extract::State;
use nexus_api::tool::{Tool, ToolList, ToolServer};
use nexus_run::personal;
use nexus_run::tools::{Source, SourceTool};

use crate::{ApiError, AppState, Member};

pub(crate) async fn list_tools(
    State(state): State<AppState>,
    Member(identity): Member,
) -> Result<Json<ToolList>, ApiError> {
    let orchestrator = &state.orchestrator;
    let genesis = orchestrator.template.current()?;
    let profile = personal::profile(&genesis, &identity);
    let names = &profile.tools.value;
    let sources = orchestrator.tools.sources(&genesis, names).await;
    Ok(Json(ToolList {
        servers: sources.into_iter().map(row).collect(),
    }))
}

fn row(source: Source) -> ToolServer {
    let (tools, reason) = match source.tools {
        Ok(tools) => (tools, None),
        Err(away) => (Vec::new(), Some(away.reason)),
    };
    ToolServer {
        name: source.name,
        kind: source.kind.as_str().into(),
        reachable: reason.is_none(),
        reason,
        tools: tools.into_iter().map(tool).collect(),
    }
}

fn tool(tool: SourceTool) -> Tool {
    Tool {
        name: tool.name.to_string(),
        model_name: tool.told_as,
        description: tool.description,
        on: tool.is_on,
    }
}
