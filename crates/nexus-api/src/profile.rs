//! `GET /api/v1/profile` and the settings that it is made of.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use chrono::{DateTime, Utc};

/// The values in force for a person, and where they come from.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Profile {
    /// The address, with the upper and lower case letters of its checksum (EIP-55).
    pub public_key: String,
    /// The time of registration.
    pub created_at: DateTime<Utc>,
    /// The name of this installation.
    pub app_name: String,
    /// The version of the template in force.
    pub template_version: u64,
    /// Each setting and each prompt.
    pub fields: Vec<ProfileField>,
    /// `ui.field_options` of the template, by the full name of each field.
    #[schema(value_type = std::collections::HashMap<String, FieldOptions>)]
    pub field_options: Map<String, Value>,
    /// Stored values of this person that could not be used as they are.
    pub notices: Vec<Notice>,
    /// A name of the IANA time zone database. `null`: UTC.
    #[schema(value_type = Option<String>, required = true)]
    pub time_zone: Option<Cow<'static, str>>,
}

/// One field of a profile.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct ProfileField {
    /// `config.NAME` or `prompts.NAME`
    pub field: String,
    /// The value in force. `null`: left to the provider. An empty prompt: removed.
    pub value: Value,
    /// The layer that set it.
    pub layer: Layer,
    /// The values of weaker layers, strong to weak.
    pub shadowed: Vec<Shadowed>,
    /// `true` if the person may change it.
    pub editable: bool,
    /// The reason why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lock: Option<Lock>,
    /// The limits for a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub bounds: Option<Bounds>,
}

impl ProfileField {
    /// `true` for a prompt, `false` for a setting.
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        self.field.starts_with("prompts.")
    }
}

/// A value that a stronger layer hides.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct Shadowed {
    /// The layer that had set it.
    pub layer: Layer,
    /// To what.
    pub value: Value,
}

/// One source of values. The order is the strength: later wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The built-in value, where no other layer has one.
    Builtin,
    /// `default_params` of the model that is finally chosen.
    Catalog,
    /// `user_defaults` of the template.
    Genesis,
    /// A group that the person is in.
    Group,
    /// The person's own overrides.
    Identity,
    /// The wishes of this one request.
    Request,
}

impl Layer {
    /// Returns whether a lock holds against it: a person's own wishes, stored or sent along.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::Identity | Self::Request)
    }

    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Catalog => "catalog",
            Self::Genesis => "genesis",
            Self::Group => "group",
            Self::Identity => "identity",
            Self::Request => "request",
        }
    }
}

/// The reason for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lock {
    /// The field is not listed in `ui.editable_fields`.
    NotEditable,
    /// The prompt says `editable: false`.
    PromptNotEditable,
    /// The template has no prompt of this name.
    NoSuchPrompt,
}

impl Lock {
    /// The reason, for people.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotEditable => "the template does not list it in ui.editable_fields",
            Self::PromptNotEditable => "the template says editable: false for this prompt",
            Self::NoSuchPrompt => "the template has no prompt of this name",
        }
    }
}

/// Limits for a value. An absent limit does not limit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct Bounds {
    /// The smallest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub min: Option<f64>,
    /// The largest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub max: Option<f64>,
    /// Numbers go in these steps; where layers ask for several, all hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The only numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub numbers: Option<Vec<f64>>,
    /// The only models, by catalog key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub models: Option<Vec<String>>,
    /// The only tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tools: Option<Vec<String>>,
    /// The only texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub texts: Option<Vec<String>>,
    /// The longest text, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub max_length: Option<u32>,
}

/// Numbers go in steps of `size`, counted from `origin`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct Step {
    /// The distance between two numbers; more than 0.
    pub size: f64,
    /// A number that is on the grid.
    pub origin: f64,
}

/// The control of a field on a page, and what stands beside it. Every name may be absent.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct FieldOptions {
    /// The control.
    #[serde(rename = "type")]
    #[schema(nullable = false)]
    pub kind: Option<FieldControl>,
    /// The label above it, plain text.
    #[schema(nullable = false)]
    pub label: Option<String>,
    /// The description beside it, plain text.
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// The only values: models by their catalog key, tools by name, numbers, or whole texts of a
    /// prompt.
    #[schema(nullable = false)]
    pub options: Option<Vec<Value>>,
    /// The most characters of a prompt.
    #[schema(nullable = false)]
    pub max_length: Option<u32>,
    /// The smallest number.
    #[schema(nullable = false)]
    pub min: Option<f64>,
    /// The largest number.
    #[schema(nullable = false)]
    pub max: Option<f64>,
    /// The distance between two numbers.
    #[schema(nullable = false)]
    pub step: Option<f64>,
}

/// The control of a field on a page. It is no limit by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FieldControl {
    /// A line.
    Text,
    /// Lines.
    Textarea,
    /// One of a list.
    Select,
    /// Some of a list.
    Multiselect,
    /// A number, by hand.
    Slider,
    /// A number, typed.
    Number,
}

/// Something that was set and is not in force as it was set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Notice {
    /// A stable code.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// The field that it is about, such as `config.model`.
    pub field: String,
    /// An explanation for people.
    pub message: String,
}

/// `PUT /api/v1/profile/{field}`: a new value.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewValue {
    /// A text, a number or a list of texts, as the field takes it.
    #[schema(value_type = FieldValue)]
    pub value: Value,
}

/// The new value of a field.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub enum FieldValue {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A list of texts.
    List(Vec<String>),
}

/// The field after `PUT` and `DELETE /api/v1/profile/{field}`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub enum FieldOutcome {
    /// A setting or a prompt.
    Field(Box<FieldChanged>),
    /// `time_zone`
    TimeZone(TimeZone),
}

/// A field after a change.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct FieldChanged {
    /// The field, or the stored key that named none.
    pub field: String,
    /// The value in force now. `null`: the template has no such field any more.
    #[schema(required = true)]
    pub now: Option<ProfileField>,
}

/// The time zone of a person after a change.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TimeZone {
    /// A name of the IANA time zone database. `null`: UTC.
    #[schema(value_type = Option<String>, required = true)]
    pub time_zone: Option<Cow<'static, str>>,
}
