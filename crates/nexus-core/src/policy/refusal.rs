//! Why a value for a field is refused.

use super::Lock;
use crate::text::TextError;
use crate::{ConfigField, Field};

/// Why a value for a field is refused. It could never take effect.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The field is locked.
    #[error("{field} cannot be changed: {}", lock.reason())]
    Locked {
        /// The field.
        field: Field,
        /// Why.
        lock: Lock,
    },
    /// The value has the wrong type.
    #[error("{field} must be {expected}, not {found}")]
    WrongType {
        /// The field.
        field: Field,
        /// What it must be.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// A number outside its limits.
    #[error("{field} must be {expected}, not {found}")]
    OutOfBounds {
        /// The field.
        field: Field,
        /// The limits, in words.
        expected: String,
        /// What was given.
        found: f64,
    },
    /// No model goes by this name.
    #[error("there is no model {found:?}: choose one of {}", known.join(", "))]
    UnknownModel {
        /// What was given.
        found: String,
        /// The models that may be chosen.
        known: Vec<String>,
    },
    /// The model exists, but not for people.
    #[error("the model {found:?} may not be chosen: choose one of {}", allowed.join(", "))]
    ModelNotAllowed {
        /// What was given.
        found: String,
        /// The models that may be chosen.
        allowed: Vec<String>,
    },
    /// The template has no tool, and no server, of this name.
    #[error("there is no tool {found:?}: choose among {}", known.join(", "))]
    UnknownTool {
        /// What was given.
        found: String,
        /// What may be chosen.
        known: Vec<String>,
    },
    /// The tool exists, but not for people.
    #[error("the tool {found:?} may not be chosen: choose among {}", allowed.join(", "))]
    ToolNotAllowed {
        /// What was given.
        found: String,
        /// What may be chosen.
        allowed: Vec<String>,
    },
    /// A text that is not among those allowed, or too long.
    #[error("{field} must be {expected}, not a text of {found} characters")]
    TextOutOfBounds {
        /// The field.
        field: Field,
        /// The limits, in words.
        expected: String,
        /// How many characters were given.
        found: usize,
    },
    /// A text that free text rules refuse.
    #[error("{field}: {reason}")]
    Text {
        /// The field.
        field: Field,
        /// Why.
        reason: TextError,
    },
}

impl Refusal {
    /// A stable code for clients.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "field_locked",
            Self::WrongType { .. } => "wrong_type",
            Self::OutOfBounds { .. } | Self::TextOutOfBounds { .. } => "out_of_bounds",
            Self::UnknownModel { .. } => "unknown_model",
            Self::ModelNotAllowed { .. } => "model_not_allowed",
            Self::UnknownTool { .. } => "unknown_tool",
            Self::ToolNotAllowed { .. } => "tool_not_allowed",
            Self::Text { .. } => "invalid_text",
        }
    }

    /// The field that is wrong.
    #[must_use]
    pub fn field(&self) -> Field {
        match self {
            Self::Locked { field, .. }
            | Self::WrongType { field, .. }
            | Self::OutOfBounds { field, .. }
            | Self::TextOutOfBounds { field, .. }
            | Self::Text { field, .. } => field.clone(),
            Self::UnknownModel { .. } | Self::ModelNotAllowed { .. } => ConfigField::Model.into(),
            Self::UnknownTool { .. } | Self::ToolNotAllowed { .. } => ConfigField::Tools.into(),
        }
    }
}
