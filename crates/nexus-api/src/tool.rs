//! `GET /api/v1/tools`: what a person's model may call.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/tools`: the tool servers and their tools.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ToolList {
    /// In the order of the template, after what is built in.
    pub servers: Vec<ToolServer>,
}

/// A tool server and its tools.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ToolServer {
    /// `current_time`, or the name of the server.
    #[schema(value_type = String)]
    pub name: Arc<str>,
    /// `builtin`, `stdio` (a program of the server's machine) or `http`.
    #[schema(value_type = String)]
    pub kind: Cow<'static, str>,
    /// `true` if its tools can be called now.
    pub reachable: bool,
    /// The reason why not. Advice about it is for whoever runs the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// Its tools.
    pub tools: Vec<Tool>,
}

/// One tool of a server.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Tool {
    /// The name for `config.tools`.
    pub name: String,
    /// The name that models see.
    pub model_name: String,
    /// The words of its server.
    pub description: String,
    /// `true` if the person has it.
    pub on: bool,
}
