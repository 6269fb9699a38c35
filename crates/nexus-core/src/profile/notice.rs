//! What the merge wants to say: a value was asked for and not used, or not used as it was.

use std::fmt;
use std::sync::Arc;

use crate::event::NoticeText;
use crate::policy::Lock;
use crate::{ConfigField, Field, Layer, ToolName};

/// Something that a layer set and that is not in force as it was set.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// No model goes by this name.
    UnknownModel {
        /// Who asked.
        layer: Layer,
        /// For what.
        asked: Arc<str>,
        /// What is used.
        used: Arc<str>,
    },
    /// The model exists, but may not be chosen.
    ModelNotAllowed {
        /// Who asked.
        layer: Layer,
        /// For what.
        asked: Arc<str>,
        /// What is used.
        used: Arc<str>,
    },
    /// The template has no tool, and no server, of this name.
    UnknownTool {
        /// Who asked.
        layer: Layer,
        /// For what.
        asked: ToolName,
    },
    /// The tool exists, but may not be chosen.
    ToolNotAllowed {
        /// Who asked.
        layer: Layer,
        /// For what.
        asked: ToolName,
    },
    /// The field is locked.
    Locked {
        /// Who tried.
        layer: Layer,
        /// The field.
        field: Field,
        /// Why it is locked.
        lock: Lock,
    },
    /// A number outside its limits was moved to the nearest one inside.
    Clamped {
        /// Who set it.
        layer: Layer,
        /// The field.
        field: ConfigField,
        /// What was set.
        from: f64,
        /// What is used.
        to: f64,
    },
    /// A number outside its limits, and the limits leave no number at all.
    NoneAdmissible {
        /// Who set it.
        layer: Layer,
        /// The field.
        field: ConfigField,
        /// What was set.
        from: f64,
    },
    /// A text that is not among those allowed, or too long. There is no nearest one.
    TextOutOfBounds {
        /// Who set it.
        layer: Layer,
        /// The field.
        field: Field,
        /// The limits, in words.
        expected: String,
    },
    /// A stored key that names no field, such as a typing error. It is kept and never sent.
    UnknownKey {
        /// Where it is stored.
        layer: Layer,
        /// The key, such as `config.temprature`.
        key: Arc<str>,
    },
    /// A stored value that cannot be used.
    Unusable {
        /// Where it is stored.
        layer: Layer,
        /// The field.
        field: Field,
        /// What it should be.
        expected: &'static str,
    },
}

impl Notice {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownModel { .. } => "unknown_model",
            Self::ModelNotAllowed { .. } => "model_not_allowed",
            Self::UnknownTool { .. } => "unknown_tool",
            Self::ToolNotAllowed { .. } => "tool_not_allowed",
            Self::Locked { .. } => "field_locked",
            Self::Clamped { .. } => "clamped",
            Self::NoneAdmissible { .. } | Self::TextOutOfBounds { .. } => "out_of_bounds",
            Self::Unusable { .. } => "wrong_type",
            Self::UnknownKey { .. } => "unknown_field",
        }
    }

    /// The field that it is about. `None`: it is about a key that names no field.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        Some(match self {
            Self::UnknownKey { .. } => return None,
            Self::UnknownModel { .. } | Self::ModelNotAllowed { .. } => ConfigField::Model.into(),
            Self::UnknownTool { .. } | Self::ToolNotAllowed { .. } => ConfigField::Tools.into(),
            Self::Locked { field, .. }
            | Self::TextOutOfBounds { field, .. }
            | Self::Unusable { field, .. } => field.clone(),
            Self::Clamped { field, .. } | Self::NoneAdmissible { field, .. } => (*field).into(),
        })
    }

    /// What it is about, in the spelling of people: a field, or a key that names none.
    fn place(&self) -> String {
        match self {
            Self::UnknownKey { key, .. } => key.to_string(),
            _ => self
                .field()
                .map(|field| field.to_string())
                .unwrap_or_default(),
        }
    }

    /// The notice, ready to show.
    #[must_use]
    pub fn to_text(&self) -> NoticeText {
        NoticeText {
            code: self.code().into(),
            field: self.place(),
            message: self.to_string(),
        }
    }
}

impl Notice {
    /// The layer that set or stored what it is about.
    const fn layer(&self) -> Layer {
        match self {
            Self::UnknownModel { layer, .. }
            | Self::ModelNotAllowed { layer, .. }
            | Self::UnknownTool { layer, .. }
            | Self::ToolNotAllowed { layer, .. }
            | Self::Locked { layer, .. }
            | Self::Clamped { layer, .. }
            | Self::NoneAdmissible { layer, .. }
            | Self::TextOutOfBounds { layer, .. }
            | Self::UnknownKey { layer, .. }
            | Self::Unusable { layer, .. } => *layer,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.layer().as_str();
        match self {
            Self::UnknownModel { asked, used, .. } => write!(
                f,
                "there is no model {asked:?} (set by {by}): {used} is used"
            ),
            Self::ModelNotAllowed { asked, used, .. } => write!(
                f,
                "the model {asked:?} may not be chosen (set by {by}): {used} is used"
            ),
            Self::UnknownTool { asked, .. } => write!(
                f,
                "there is no tool {:?} (set by {by}): it is left out",
                asked.as_str()
            ),
            Self::ToolNotAllowed { asked, .. } => write!(
                f,
                "the tool {:?} may not be chosen (set by {by}): it is left out",
                asked.as_str()
            ),
            Self::Locked { field, lock, .. } => {
                write!(f, "{field} set by {by} is ignored: {}", lock.reason())
            }
            Self::Clamped {
                field, from, to, ..
            } => write!(
                f,
                "{field} {from} (set by {by}) is outside its limits: {to} is used"
            ),
            Self::NoneAdmissible { field, from, .. } => write!(
                f,
                "{field} {from} (set by {by}) is ignored: its limits leave no value"
            ),
            Self::TextOutOfBounds {
                field, expected, ..
            } => write!(f, "{field} set by {by} is ignored: it should be {expected}"),
            Self::UnknownKey { key, .. } => write!(
                f,
                "{key} set by {by} has no effect: Nexus knows no such field; it is kept and never sent"
            ),
            Self::Unusable {
                field, expected, ..
            } => write!(
                f,
                "{field} stored by {by} is ignored: it should be {expected}"
            ),
        }
    }
}
