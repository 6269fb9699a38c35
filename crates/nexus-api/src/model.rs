//! `GET /api/v1/models`: the models of the catalog.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/models`: the catalog.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ModelList {
    /// The model of people who chose none.
    #[schema(value_type = String)]
    pub default: Arc<str>,
    /// In the order of the template.
    pub models: Vec<Model>,
}

/// A model of the catalog.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Model {
    /// The catalog name.
    #[schema(value_type = String)]
    pub name: Arc<str>,
    /// The provider's name for it.
    #[schema(value_type = String)]
    pub id: Arc<str>,
    /// Other names.
    #[schema(value_type = Vec<String>)]
    pub aliases: Vec<Arc<str>>,
    /// The name of its provider.
    #[schema(value_type = String)]
    pub provider: Arc<str>,
    /// The provider's protocol: `openai`, `anthropic`, `gemini`, or `builtin`.
    #[schema(value_type = String)]
    pub protocol: Cow<'static, str>,
    /// `true` if its provider has all that it needs, and answers as far as is known.
    pub available: bool,
    /// The reason why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// `true` if a person may choose it.
    pub choosable: bool,
    /// Values that hold where no stronger layer sets them.
    pub default_params: DefaultParams,
}

/// Values that hold for a model where no stronger layer sets them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct DefaultParams {
    /// Sampling temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub temperature: Option<f64>,
    /// The longest answer, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub max_tokens: Option<u32>,
}

/// A model that may be chosen, as the command `models` lists it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ChoosableModel {
    /// The catalog name.
    #[schema(value_type = String)]
    pub name: Arc<str>,
    /// Other names.
    #[schema(value_type = Vec<String>)]
    pub aliases: Vec<Arc<str>>,
    /// The name of its provider.
    #[schema(value_type = String)]
    pub provider: Arc<str>,
    /// The reason why it cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unavailable: Option<String>,
}
