//! `GET /livez`, `GET /readyz` and `GET /api/v1`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::template::Environment;

/// `GET /livez`: the process answers.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Liveness {
    /// `alive`
    #[schema(value_type = String)]
    pub status: Cow<'static, str>,
}

/// `GET /readyz`: whether the server can do its work.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Readiness {
    /// The sum of the rest.
    pub status: ReadinessStatus,
    /// The state of the store.
    pub store: StoreStatus,
    /// The template in force.
    pub template: TemplateStatus,
    /// The reasons why the server is not simply ready, for people.
    pub reasons: Vec<String>,
}

/// The readiness of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReadinessStatus {
    /// All is well.
    Ready,
    /// It works, and an operator should look at `reasons`.
    Degraded,
    /// It cannot.
    Unavailable,
}

/// The state of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreStatus {
    /// It does.
    Ok,
    /// It does not.
    Unavailable,
}

/// The template in force on this node.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct TemplateStatus {
    /// The environment of the server.
    pub environment: Environment,
    /// Its version. `null`: none is in force.
    #[schema(required = true)]
    pub version: Option<u64>,
    /// `true` while the emergency template stands in.
    pub emergency: bool,
}

/// `GET /api/v1`: the server and its routes.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ServerInfo {
    /// `nexus`
    #[schema(value_type = String)]
    pub name: Cow<'static, str>,
    /// The version of the program.
    #[schema(value_type = String)]
    pub version: Cow<'static, str>,
    /// The name of this installation. `null`: no template is in force.
    #[schema(required = true)]
    pub app_name: Option<String>,
    /// `true` if the credential of the request is a session in force. `null`: that cannot be told at the
    /// moment.
    #[schema(required = true)]
    pub signed_in: Option<bool>,
    /// Each route: its method and its path.
    pub routes: Vec<String>,
}
